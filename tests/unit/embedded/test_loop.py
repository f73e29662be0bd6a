"""The orchestrator plays a script to its end, stops at a failure, and honours the cancellation token."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from amplifier_core import ToolResult

from swarm_worker.embedded.bash import Bash
from swarm_worker.embedded.context import MemoryContext
from swarm_worker.embedded.files import ReadFile, WriteFile
from swarm_worker.embedded.loop import Loop
from swarm_worker.embedded.provider import RehearsalProvider
from swarm_worker.embedded.task import Call, EmbeddedRole, Script


@dataclass
class Slow:
    """A tool that ends only by a cancel, and records that."""

    name: str = "slow"
    description: str = "waits"
    input_schema: dict[str, Any] = field(default_factory=dict)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: bool = False

    async def execute(self, input: dict[str, Any]) -> Any:  # noqa: A002  # the kernel's own word
        self.begun.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.aborted = True
            raise
        return ToolResult(output="released")


async def play(
    coordinator: Any,
    script: Script,
    *,
    role: EmbeddedRole = EmbeddedRole.BUILDER,
    tools: tuple[Any, ...] = (),
) -> str:
    provider = RehearsalProvider(script, role, hooks=coordinator.hooks)
    return await Loop().execute(
        "the prompt",
        MemoryContext(),
        {"rehearsal": provider},
        {tool.name: tool for tool in tools},
        coordinator.hooks,
        coordinator=coordinator,
    )


def write(path: str, text: str = "x\n") -> Call:
    return Call("write_file", {"path": path, "content": text})


def shell(command: str) -> Call:
    return Call("bash", {"command": command})


def ending(reply: str) -> dict[str, Any]:
    document = json.loads(reply.splitlines()[-1])
    assert isinstance(document, dict)
    return document


@pytest.fixture
def tools(tmp_path: Path) -> tuple[Any, ...]:
    return (ReadFile(tmp_path), WriteFile(tmp_path), Bash(tmp_path))


async def test_the_events_of_a_turn_come_in_the_kernels_order(coordinator: Any, tools: Any) -> None:
    await play(coordinator, Script((write("a.txt"),), "all done"), tools=tools)

    answer = ["content_block:start", "content_block:end", "provider:response"]
    ask = ["provider:request", "llm:request", "llm:response"]
    assert [name for name, _ in coordinator.hooks.events] == [
        "execution:start",
        "prompt:submit",
        *ask,
        *answer,
        "tool:pre",
        "tool:post",
        *ask,
        *answer,
        "prompt:complete",
        "orchestrator:complete",
        "execution:end",
    ]
    assert coordinator.hooks.named("orchestrator:complete")[0]["status"] == "success"
    assert coordinator.hooks.named("execution:end")[0] == {"response": "all done", "status": "completed"}


async def test_a_scripted_reply_is_returned_verbatim(coordinator: Any) -> None:
    reply = 'Good.\n{"verdict": "PASS"}\n'

    assert await play(coordinator, Script((), reply), role=EmbeddedRole.VALIDATOR) == reply


async def test_a_builder_without_a_reply_lists_the_files_that_it_wrote(
    coordinator: Any, tools: Any, tmp_path: Path
) -> None:
    (tmp_path / "old.py").touch()
    calls = (write("new.py"), write("old.py"), write("new.py", "y\n"), write("tests/test_new.py"))

    reply = await play(coordinator, Script((*calls, shell("echo pytest"))), tools=tools)

    assert ending(reply) == {
        "status": "completed",
        "files_created": ["new.py", "tests/test_new.py"],
        "files_modified": ["old.py"],
        "tests_written": True,
        "tests_passed": True,
        "implementation_notes": "Rehearsal: the script was played to its end.",
        "blockers": [],
    }


async def test_a_validator_without_a_reply_passes(coordinator: Any, tools: Any) -> None:
    reply = await play(coordinator, Script((shell("true"),)), role=EmbeddedRole.VALIDATOR, tools=tools)

    assert ending(reply)["verdict"] == "PASS"


async def test_a_builder_stops_at_a_failed_call_and_reports_it(
    coordinator: Any, tools: Any, tmp_path: Path
) -> None:
    calls = (write("a.txt"), shell("echo broken; exit 3"), write("b.txt"))

    reply = await play(coordinator, Script(calls, '{"status": "completed"}'), tools=tools)

    assert ending(reply)["status"] == "blocked"
    assert ending(reply)["files_created"] == ["a.txt"]
    assert ending(reply)["blockers"] == ["bash 'echo broken; exit 3' failed: exit 3: broken"]
    assert not (tmp_path / "b.txt").exists()


async def test_a_path_escape_blocks_the_builder(coordinator: Any, tools: Any, tmp_path: Path) -> None:
    reply = await play(coordinator, Script((write("../out.txt"),)), tools=tools)

    assert ending(reply)["status"] == "blocked"
    assert not (tmp_path.parent / "out.txt").exists()


async def test_a_scripted_pass_does_not_survive_a_failed_call(coordinator: Any, tools: Any) -> None:
    script = Script((shell("exit 1"),), '{"verdict": "PASS"}')

    reply = await play(coordinator, script, role=EmbeddedRole.VALIDATOR, tools=tools)

    assert ending(reply)["verdict"] == "FAIL"
    assert "exit 1" in ending(reply)["critical_issues"][0]["issue"]


async def test_scripted_findings_are_kept_and_the_failed_call_is_added(coordinator: Any, tools: Any) -> None:
    finding = {"file": "a.py", "issue": "divides by zero", "severity": "critical"}
    scripted = json.dumps({"verdict": "FAIL", "critical_issues": [finding], "summary": "no"}, indent=1)
    script = Script((shell("echo ZeroDivisionError; exit 1"),), f"I looked.\n{scripted}\n")

    verdict = ending(await play(coordinator, script, role=EmbeddedRole.VALIDATOR, tools=tools))

    assert verdict["summary"] == "no"
    assert verdict["critical_issues"][0] == finding
    assert "ZeroDivisionError" in verdict["critical_issues"][1]["issue"]


async def test_an_unknown_tool_is_a_failed_call(coordinator: Any, tools: Any) -> None:
    reply = await play(coordinator, Script((Call("teleport", {}),)), tools=tools)

    assert "'teleport' is not a tool of this session; its tools are bash, read_file, write_file" in reply
    assert ending(reply)["status"] == "blocked"


async def test_a_hook_that_denies_a_tool_keeps_it_from_running(
    coordinator: Any, tools: Any, tmp_path: Path
) -> None:
    coordinator.hooks.denied["tool:pre"] = "not now"

    reply = await play(coordinator, Script((write("a.txt"),)), tools=tools)

    assert "not now" in ending(reply)["blockers"][0]
    assert not (tmp_path / "a.txt").exists()


async def test_a_denied_prompt_does_not_look_like_an_answer(coordinator: Any) -> None:
    coordinator.hooks.denied["prompt:submit"] = "no"

    assert (await play(coordinator, Script(()))).startswith("Error:")
    assert coordinator.hooks.named("orchestrator:complete")[0]["status"] == "denied"


async def test_usage_grows_with_the_request_and_is_never_zero(coordinator: Any, tools: Any) -> None:
    await play(coordinator, Script((write("a.txt", "x" * 4000), shell("true"))), tools=tools)

    first, second, third = (data["usage"] for data in coordinator.hooks.named("llm:response"))
    assert first["output_tokens"] >= 1000
    assert second["input_tokens"] >= first["input_tokens"] + 1000
    assert third["input_tokens"] > second["input_tokens"]
    assert second["output_tokens"] > 0
    assert "cost_usd" not in first


async def test_an_immediate_cancel_aborts_the_running_tool(coordinator: Any) -> None:
    slow = Slow()
    turn = asyncio.ensure_future(
        play(coordinator, Script((Call("slow", {}), Call("slow", {}))), tools=(slow,))
    )
    await slow.begun.wait()

    coordinator.cancellation.cancel(immediate=True)

    assert await turn == ""
    assert slow.aborted
    assert coordinator.cancellation.running == set()
    assert len(coordinator.hooks.named("tool:pre")) == 1
    assert coordinator.hooks.named("execution:end")[0]["status"] == "cancelled"


async def test_a_graceful_cancel_lets_the_tool_finish_and_asks_no_more(coordinator: Any) -> None:
    slow = Slow()
    turn = asyncio.ensure_future(
        play(coordinator, Script((Call("slow", {}), Call("slow", {}))), tools=(slow,))
    )
    await slow.begun.wait()

    coordinator.cancellation.cancel(immediate=False)
    slow.release.set()

    assert await turn == ""
    assert not slow.aborted
    assert len(coordinator.hooks.named("provider:request")) == 1
    assert coordinator.hooks.named("orchestrator:complete")[0]["status"] == "cancelled"


async def test_a_turn_cancelled_before_it_begins_asks_nothing(coordinator: Any) -> None:
    coordinator.cancellation.cancel(immediate=True)

    assert await play(coordinator, Script((), "never")) == ""
    assert coordinator.hooks.named("provider:request") == []


async def test_a_cancel_aborts_a_provider_that_does_not_answer(coordinator: Any) -> None:
    class SilentProvider(RehearsalProvider):
        async def complete(self, request: Any, **options: Any) -> Any:
            coordinator.cancellation.cancel(immediate=True)
            await asyncio.Event().wait()

    provider = SilentProvider(Script(()), EmbeddedRole.BUILDER, hooks=coordinator.hooks)

    reply = await Loop().execute(
        "hi", MemoryContext(), {"p": provider}, {}, coordinator.hooks, coordinator=coordinator
    )

    assert reply == ""
    assert coordinator.hooks.named("orchestrator:complete")[0]["status"] == "cancelled"


async def test_a_broken_tool_ends_the_session_with_its_error(coordinator: Any) -> None:
    class Broken(Slow):
        async def execute(self, input: dict[str, Any]) -> Any:  # noqa: A002  # the kernel's own word
            raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError):
        await play(coordinator, Script((Call("slow", {}),)), tools=(Broken(),))

    assert coordinator.hooks.named("tool:error")[0]["error"] == "ZeroDivisionError: oh"
    assert coordinator.hooks.named("execution:end")[0]["status"] == "error"
