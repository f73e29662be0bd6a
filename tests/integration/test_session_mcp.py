"""Calls of a session over the worker's socket: by MCP with the SDK's own client, and as a hostile program does."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from mcp import Client, StdioServerParameters

from support.programs import environment
from swarm_worker.domain.people import PersonAnswer, Question
from swarm_worker.domain.ports import AskedQuestion, SessionCallFailed
from swarm_worker.execution.person_wait import PersonWait
from swarm_worker.execution.session_socket import SessionSocket

TOKEN = "swt1_session_000000000001_" + "s" * 43
PROGRAM = str(Path(sys.executable).with_name("swarm-session"))


class Gateway:
    """A server that takes every call, and notes them; an answer comes after that many waits."""

    def __init__(self, answers_after: int = 1, wait_s: float = 60.0) -> None:
        self.calls: list[Any] = []
        self._waits = answers_after
        self._wait_s = wait_s

    async def set_progress(self, token: str, text: str, percent: int | None) -> None:
        self.calls.append((text, percent))

    async def file_task(
        self, token: str, texts: Mapping[str, str], lists: Mapping[str, Sequence[str]]
    ) -> Mapping[str, Any]:
        if texts["name"] == "too many":
            raise SessionCallFailed("the session has filed as many as it may", "FOLLOW_UP_REFUSED")
        return {"task_id": "a-f1", "held": True}

    async def read_dependencies(self, token: str, task_id: str) -> Sequence[Mapping[str, Any]]:
        return [{"task_id": "before"}]

    async def ask(self, token: str, text: str, options: Sequence[str]) -> AskedQuestion:
        return AskedQuestion("1-1", self._wait_s)

    async def await_answer(self, token: str, hold_id: str, *, wait_s: float) -> PersonAnswer | None:
        self._waits -= 1
        return PersonAnswer("", "8080", "kim") if self._waits < 0 else None

    async def add_artifact(self, token: str, name: str, file: BinaryIO, *, size: int) -> str:
        file.seek(0)
        self.calls.append((name, file.read()))
        return "f" * 64


@contextlib.asynccontextmanager
async def listening(folder: Path, gateway: Gateway, waits: PersonWait | None = None) -> AsyncIterator[Path]:
    path = folder / ("long" * 30) / "a.socket"  # longer than a socket's path may be
    path.parent.mkdir()
    async with SessionSocket(gateway, TOKEN, waits or PersonWait(lambda: None)).listening(path):
        yield path
    assert not path.exists()


async def request(path: Path, line: bytes) -> Any:
    """Sends raw bytes; returns the answer."""
    near = Path("/proc/self/cwd")
    with contextlib.chdir(path.parent):
        reader, writer = await asyncio.open_unix_connection(str(near / path.name))
    try:
        writer.write(line)
        return json.loads(await reader.readline())
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_an_agent_uses_the_tools_of_its_session(tmp_path: Path) -> None:
    gateway = Gateway()
    (tmp_path / "report.txt").write_text("hi")
    async with listening(tmp_path, gateway) as path:
        env = environment() | {
            "SWARM_SESSION_SOCKET": str(path),
            "SWARM_SESSION_TOKEN": TOKEN,
            "SWARM_PROJECT_ROOT": str(tmp_path),
        }
        async with Client(StdioServerParameters(command=PROGRAM, args=["mcp"], env=env)) as client:
            names = {found.name for found in (await client.list_tools()).tools}
            await client.call_tool("report_progress", {"text": "half", "percent": 50})
            asked = await client.call_tool("ask", {"question": "Which port?", "options": ["80", "8080"]})
            filed = await client.call_tool("file_task", {"name": "x", "description": "y"})
            refused = await client.call_tool("file_task", {"name": "too many", "description": "y"})
            await client.call_tool("add_artifact", {"path": str(tmp_path / "report.txt")})
            bad = await client.call_tool("report_progress", {"text": "x", "percent": 101})

    assert names == {"report_progress", "ask", "file_task", "add_artifact", "read_dependency_result"}
    assert asked.structured_content == {"answer": "8080", "author": "kim"}
    assert filed.structured_content == {"task_id": "a-f1", "held": True}
    assert "as many as it may" in str(refused.content)
    assert bad.is_error
    assert gateway.calls == [("half", 50), ("report.txt", b"hi")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\n", "not valid"),
        (b"[]\n", "JSON object"),
        (b'{"call": "progress", "text": "x"}\n', "not that of this session"),
        (json.dumps({"call": "kill", "token": TOKEN}).encode() + b"\n", "must be one of"),
        (json.dumps({"call": "progress", "token": TOKEN}).encode() + b"\n", "text must be text"),
        (json.dumps({"call": "progress", "token": TOKEN, "text": "\ud800"}).encode() + b"\n", "not valid"),
        (json.dumps({"call": "artifact", "token": TOKEN, "name": "x", "size": -1}).encode() + b"\n", "size"),
        (b"x" * 3_000_000 + b"\n", "not valid"),
    ],
)
async def test_a_bad_request_gets_one_line_and_reaches_no_server(
    tmp_path: Path, line: bytes, problem: str
) -> None:
    gateway = Gateway()
    async with listening(tmp_path, gateway) as path:
        answer = await request(path, line)

    assert problem in answer["error"]
    assert not gateway.calls


async def test_a_question_without_an_answer_in_time_ends_the_session_with_it(tmp_path: Path) -> None:
    ended = asyncio.Event()
    waits = PersonWait(ended.set)
    line = json.dumps({"call": "ask", "token": TOKEN, "text": "Which?", "options": ["a"]}).encode() + b"\n"
    async with listening(tmp_path, Gateway(answers_after=9, wait_s=0.0), waits) as path:
        asking = asyncio.create_task(request(path, line))
        await asyncio.wait_for(ended.wait(), 10)
        assert not asking.done(), "the call gets no answer: the session ends in it"
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    assert waits.parked == Question("Which?", ("a",), "1-1")
