"""The socket of one session, by which it reaches the server also from a sandbox without a network.

A request is one line of JSON, and so is its answer. The worker passes each call on with the session's token; it decides
nothing. A socket in the file system crosses namespaces, where a port does not.

Invariant: no call keeps the worker from its own work. Lines, contents, open calls and their pace are bounded.
"""

import asyncio
import contextlib
import hmac
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from swarm_worker.domain.people import PersonAnswer, Question
from swarm_worker.domain.ports import AskedQuestion, SessionCallFailed, SessionGateway
from swarm_worker.execution.person_wait import PersonWait

MAX_LINE: Final = 2 * 1024 * 1024
MAX_CONNECTIONS: Final = 16
# The server's own limit of a file is lower unless an operator has raised it.
MAX_CONTENT: Final = 4 * 1024 * 1024 * 1024
CHUNK: Final = 256 * 1024
# What a request or its content may take to arrive.
READ_S: Final = 60.0
# A session that calls more often is slowed down.
CALLS_PER_S: Final = 20
SOCKET_MODE: Final = 0o600

_TEXTS: Final = ("name", "description")
_LISTS: Final = ("acceptance_criteria", "files", "checks", "dependencies")

Call = Callable[[Mapping[str, Any], asyncio.StreamReader], Awaitable[Mapping[str, Any]]]


class SessionSocket:
    """A socket for the calls of one session."""

    def __init__(self, gateway: SessionGateway, token: str, waits: PersonWait) -> None:
        self._gateway = gateway
        self._waits = waits
        self._token = token
        self._open = 0
        self._calling: set[asyncio.Task[None]] = set()
        self._next_s = 0.0
        self._calls: Mapping[str, Call] = {
            "progress": self._progress,
            "file_task": self._file_task,
            "dependencies": self._dependencies,
            "artifact": self._artifact,
            "ask": self._ask,
        }

    @contextlib.asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """Listens while the block runs, and ends all open calls then; raises OSError."""
        with _bound(path) as listener:
            server = await asyncio.start_unix_server(self._accept, sock=listener, limit=MAX_LINE)
            try:
                yield
            finally:
                server.close()
                for task in self._calling:
                    task.cancel()
                await asyncio.gather(*self._calling, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calling.add(task)
        self._open += 1
        try:
            answer = await self._answer(reader)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass  # the session has hung up, or has ended
        finally:
            self._open -= 1
            self._calling.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Mapping[str, Any]:
        if self._open > MAX_CONNECTIONS:
            return {"error": f"the session has {MAX_CONNECTIONS} calls open; wait for their ends"}
        try:
            await self._pace()
            async with asyncio.timeout(READ_S):
                request = _request(await reader.readline())
            token = request.get("token")
            if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self._token.encode()):
                return {"error": "the token is not that of this session", "reason": "SESSION_OVER"}
            return await self._calls[_text(request, "call", known=self._calls)](request, reader)
        except SessionCallFailed as error:
            return {"error": str(error), "reason": error.reason}
        except TimeoutError:
            return {"error": f"the request did not arrive within {READ_S:g} s"}
        except ValueError as error:  # a line that is too long, or no JSON
            return {"error": f"the request is not valid: {error}"}

    async def _pace(self) -> None:
        """Waits until the session may make its next call."""
        now_s = asyncio.get_running_loop().time()
        self._next_s = max(now_s, self._next_s + 1 / CALLS_PER_S)
        await asyncio.sleep(self._next_s - now_s)

    async def _progress(self, request: Mapping[str, Any], _reader: asyncio.StreamReader) -> Mapping[str, Any]:
        percent = request.get("percent")
        if percent is not None and (
            isinstance(percent, bool) or not isinstance(percent, int) or abs(percent) > 1_000
        ):
            raise ValueError("percent must be a whole number from 0 to 100")
        await self._gateway.set_progress(self._token, _text(request, "text"), percent)
        return {}

    async def _file_task(
        self, request: Mapping[str, Any], _reader: asyncio.StreamReader
    ) -> Mapping[str, Any]:
        texts = {name: _text(request, name) for name in _TEXTS}
        lists = {name: _texts(request, name) for name in _LISTS}
        return await self._gateway.file_task(self._token, texts, lists)

    async def _dependencies(
        self, request: Mapping[str, Any], _reader: asyncio.StreamReader
    ) -> Mapping[str, Any]:
        task_id = _text(request, "task_id") if request.get("task_id") else ""
        return {"results": list(await self._gateway.read_dependencies(self._token, task_id))}

    async def _ask(self, request: Mapping[str, Any], reader: asyncio.StreamReader) -> Mapping[str, Any]:
        text, options = _text(request, "text"), _texts(request, "options")
        asked = await self._gateway.ask(self._token, text, options)
        question = Question(text, tuple(options), asked.hold_id)
        hung_up = asyncio.ensure_future(reader.read(1))
        waiting = asyncio.ensure_future(self._answer_within(asked))
        try:
            with self._waits.waiting():
                await asyncio.wait((hung_up, waiting), return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    raise ConnectionResetError  # whoever asked is gone, and may ask again
                answer = waiting.result()
                if answer is None:
                    self._waits.park(question)
                    await asyncio.Event().wait()  # the session ends, and this call with it
                assert answer is not None
                return {"answer": answer.text, "author": answer.author}
        finally:
            hung_up.cancel()
            waiting.cancel()

    async def _answer_within(self, asked: AskedQuestion) -> PersonAnswer | None:
        """Returns the answer of a person; None if it has not come in time."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + asked.wait_s
        while True:
            left_s = max(0.0, until_s - loop.time())
            answer = await self._gateway.await_answer(self._token, asked.hold_id, wait_s=left_s)
            if answer is not None or loop.time() >= until_s:
                return answer

    async def _artifact(self, request: Mapping[str, Any], reader: asyncio.StreamReader) -> Mapping[str, Any]:
        name, size = _text(request, "name"), request.get("size")
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_CONTENT:
            raise ValueError(f"size must be a number of bytes up to {MAX_CONTENT:,}")
        with tempfile.TemporaryFile() as file:
            await _receive(reader, file, size)
            return {"sha256": await self._gateway.add_artifact(self._token, name, file, size=size)}


async def _receive(reader: asyncio.StreamReader, file: BinaryIO, size: int) -> None:
    """Writes the content that follows a request into the file, since a call that breaks off is made again."""
    left = size
    while left:
        async with asyncio.timeout(READ_S):
            chunk = await reader.read(min(left, CHUNK))
        if not chunk:
            raise ValueError(f"the content has {size - left:,} bytes and not {size:,}")
        await asyncio.to_thread(file.write, chunk)
        left -= len(chunk)


@contextlib.contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """Yields a socket at the path, however long that is; removes it afterwards. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        # The kernel takes 107 bytes of a path.
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(SOCKET_MODE)
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(folder)
    with listener, contextlib.suppress(FileNotFoundError):
        yield listener
        path.unlink()


def _request(line: bytes) -> Mapping[str, Any]:
    request = json.loads(line or b"null")
    if not isinstance(request, dict):
        raise ValueError("send one line with a JSON object")  # noqa: TRY004  # JSON of another kind is a wrong value
    return request


def _text(request: Mapping[str, Any], name: str, *, known: Mapping[str, object] | None = None) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text")  # noqa: TRY004  # as above
    if known is not None and value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}")
    value.encode()  # a lone surrogate can't be sent
    return value


def _texts(request: Mapping[str, Any], name: str) -> list[str]:
    values = request.get(name) or []
    if not isinstance(values, list):
        raise ValueError(f"{name} must be a list of texts")  # noqa: TRY004  # as above
    return [_text({name: value}, name) for value in values]
