"""The scripts of docs/other-agents.md, each against a stand-in that prints the documented output of its agent."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from swarm_worker.domain.model import LogKind, Usage
from swarm_worker.domain.types import Role
from swarm_worker.output.lines import OutputLine
from swarm_worker.output.replies import read_builder_result
from swarm_worker.output.verdicts import read_verdict
from swarm_worker.runners.command_reader import CommandReader

PAGE: Final = Path(__file__).parents[3] / "docs" / "other-agents.md"
SCRIPT: Final = re.compile(r"<!-- file: (\S+) -->\n```sh\n(.*?)```", re.DOTALL)
SCRIPTS: Final = dict(SCRIPT.findall(PAGE.read_text()))

REPLY: Final = 'I have looked.\n\n```json\n{"verdict": "PASS", "summary": "fine", "confidence": 1}\n```'
BUILT: Final = 'Done: {"status": "completed", "files_created": ["a.py"]}'


def claude(reply: str, *, failed: bool = False) -> list[object]:
    """`claude -p --output-format stream-json --verbose`."""
    text = {"type": "text", "text": "I look around."}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a.py"}
    used = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 1000,
        "cache_read_input_tokens": 15635,
        "output_tokens": 600,
    }
    end = {"type": "result", "subtype": "success", "is_error": False, "result": reply, "num_turns": 2}
    if failed:
        end = {"type": "result", "subtype": "error_max_turns", "is_error": True, "num_turns": 2}
    return [
        {"type": "system", "subtype": "init", "session_id": "0e639165", "model": "m", "tools": ["Bash"]},
        {
            "type": "assistant",
            "message": {"role": "assistant", "content": [text, tool]},
            "session_id": "0e639165",
        },
        {"type": "user", "message": {"role": "user", "content": [result]}, "session_id": "0e639165"},
        {**end, "session_id": "0e639165", "total_cost_usd": 0.0079825, "usage": used},
    ]


def codex(reply: str, *, failed: bool = False) -> list[object]:
    """`codex exec --json`."""
    command = {"id": "item_1", "type": "command_execution", "command": "bash -lc ls"}
    end: object = {
        "type": "turn.completed",
        "usage": {"input_tokens": 16638, "cached_input_tokens": 16000, "output_tokens": 600},
    }
    if failed:
        end = {"type": "turn.failed", "error": {"message": "stream disconnected"}}
    return [
        {"type": "thread.started", "thread_id": "0199a213"},
        {"type": "turn.started"},
        {"type": "item.completed", "item": {"id": "item_0", "type": "reasoning", "text": "**Looking**"}},
        {"type": "item.started", "item": {**command, "status": "in_progress"}},
        {"type": "item.completed", "item": {**command, "exit_code": 0, "status": "completed"}},
        {"type": "item.completed", "item": {"id": "item_3", "type": "agent_message", "text": reply}},
        end,
    ]


def gemini(reply: str, *, failed: bool = False) -> list[object]:
    """`gemini --output-format stream-json`."""
    stats = {
        "total_tokens": 17238,
        "input_tokens": 16638,
        "output_tokens": 600,
        "duration_ms": 3000,
        "tool_calls": 1,
    }
    end: dict[str, object] = {"type": "result", "status": "success", "stats": stats}
    if failed:
        end = {
            "type": "result",
            "status": "error",
            "error": {"type": "FatalError", "message": "boom"},
            "stats": {},
        }
    half = len(reply) // 2
    return [
        {"type": "init", "session_id": "abc123", "model": "m"},
        {"type": "message", "role": "user", "content": "the prompt, with a JSON {}"},
        {
            "type": "tool_use",
            "tool_name": "run_shell_command",
            "tool_id": "t1",
            "parameters": {"command": "ls"},
        },
        {"type": "tool_result", "tool_id": "t1", "status": "success", "output": "a.py"},
        {"type": "message", "role": "assistant", "content": reply[:half], "delta": True},
        {"type": "message", "role": "assistant", "content": reply[half:], "delta": True},
        end,
    ]


@dataclass(frozen=True)
class Agent:
    """An agent for which the page has a script."""

    program: str
    script: str
    cost: Decimal | None = None

    def events(self, reply: str, *, failed: bool = False) -> list[object]:
        return {"claude": claude, "codex": codex, "gemini": gemini}[self.program](reply, failed=failed)


AGENTS: Final = [
    Agent("claude", "claude-code.sh", Decimal("0.0079825")),
    Agent("codex", "codex.sh"),
    Agent("gemini", "gemini.sh"),
]
each_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.program)


@dataclass
class Stage:
    """A folder with a stand-in for an agent, and the script that starts it."""

    folder: Path
    agent: Agent

    def prints(self, events: list[object], *, noise: str = "", code: int = 0) -> None:
        """Makes the stand-in record its arguments and input and print these lines."""
        (self.folder / "events").write_text(noise + "".join(f"{json.dumps(event)}\n" for event in events))
        program = self.folder / self.agent.program
        place = shlex.quote(str(self.folder))
        program.write_text(
            f"#!/bin/sh\ncd {place}\nprintf '%s\\n' \"$@\" > args\ncat > stdin\ncat events\nexit {code}\n"
        )
        program.chmod(0o755)

    def run(self, role: Role, *args: str) -> subprocess.CompletedProcess[str]:
        script = self.folder / self.agent.script
        script.write_text(SCRIPTS[self.agent.script])
        script.chmod(0o755)
        env = {"PATH": f"{self.folder}:{os.environ['PATH']}", "SWARM_ROLE": role.value}
        return subprocess.run(
            [str(script), *args],
            input="the prompt",
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def args(self) -> list[str]:
        return (self.folder / "args").read_text().splitlines()


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Stage:
    return Stage(tmp_path, request.getfixturevalue("agent"))


def read(done: subprocess.CompletedProcess[str], role: Role) -> tuple[CommandReader, list[str]]:
    """Reads a session's output; returns its reader and the logged tool calls."""
    reader = CommandReader(role)
    entries = [entry for line in done.stderr.splitlines() for entry in reader.stderr(OutputLine(line))]
    return reader, [entry.text for entry in entries if entry.kind is LogKind.TOOL_STARTED]


def test_the_page_has_a_script_for_each_agent() -> None:
    assert set(SCRIPTS) == {agent.script for agent in AGENTS}


@each_agent
def test_a_validator_s_verdict_usage_and_tools_are_read(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(REPLY), noise="a line of noise {\n")

    done = stage.run(Role.VALIDATOR)

    assert done.returncode == 0, done.stderr
    verdict = read_verdict(done.stdout).verdict
    assert verdict is not None
    assert (verdict.passed, verdict.summary) == (True, "fine")
    reader, tools = read(done, Role.VALIDATOR)
    assert reader.usage == Usage(16638, 600, agent.cost)
    assert len(tools) == 1
    assert "ls" in tools[0]
    assert "a line of noise" in done.stderr
    assert reader.report(done.stdout, exit_code=0).failure is None


@each_agent
def test_a_builder_s_result_is_read_and_it_may_write(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(BUILT))

    done = stage.run(Role.BUILDER)

    built = read_builder_result(done.stdout)
    assert built is not None
    assert built.files_created == ("a.py",)
    leave = {"claude": "acceptEdits", "codex": "workspace-write", "gemini": "yolo"}[agent.program]
    assert leave in stage.args()


@each_agent
def test_a_validator_may_not_write(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(REPLY))

    stage.run(Role.VALIDATOR)

    leave = {"claude": "dontAsk", "codex": "read-only", "gemini": "default"}[agent.program]
    assert leave in stage.args()
    assert not {"acceptEdits", "workspace-write", "yolo"} & set(stage.args())


@each_agent
def test_the_prompt_is_read_from_stdin_and_is_not_an_argument(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(REPLY))

    stage.run(Role.VALIDATOR)

    assert (stage.folder / "stdin").read_text() == "the prompt"
    assert "the prompt" not in stage.args()


@each_agent
def test_further_arguments_are_passed_on(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(REPLY))
    tools = ["Read,Bash(python -m pytest *)"] if agent.program == "claude" else []

    stage.run(Role.VALIDATOR, *tools, "--model", "the model")

    args = stage.args()
    assert args[args.index("--model") + 1] == "the model"
    assert set(tools) <= set(args)


@each_agent
def test_a_failed_session_fails_with_any_exit_code(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(REPLY, failed=True))

    done = stage.run(Role.VALIDATOR)

    assert done.returncode == 1
    assert f"{agent.program} failed: " in done.stderr
    assert read_verdict(done.stdout).verdict is None
    assert read(done, Role.VALIDATOR)[0].report(done.stdout, exit_code=1).failure is not None


@each_agent
def test_a_stream_that_breaks_off_fails(agent: Agent, stage: Stage) -> None:
    stage.prints(agent.events(REPLY)[:-1])

    done = stage.run(Role.VALIDATOR)

    assert done.returncode == 1
    assert f"{agent.program} ended without a result" in done.stderr
    assert done.stdout == ""


@each_agent
def test_an_agent_that_is_not_installed_fails(agent: Agent, stage: Stage) -> None:
    done = stage.run(Role.BUILDER)

    assert done.returncode == 1
    assert "not found" in done.stderr


@each_agent
def test_the_script_is_plain_sh(agent: Agent, stage: Stage) -> None:
    script = stage.folder / agent.script
    script.write_text(SCRIPTS[agent.script])

    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
