"""Takes messages to their targets by way of a child process in which Apprise runs."""

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.util import find_spec
from typing import Any, Final

import structlog

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.notify.digest import Message
from swarmd.notify.targets import Target

# Loading its plugins takes Apprise a second or two.
START_WITHIN_S: Final = 60.0
# Longer than any service takes that answers at all.
SEND_WITHIN_S: Final = 60.0
_CHILD: Final = (sys.executable, "-m", "swarmd.notify.apprise_process")

_log = structlog.get_logger("swarmd.notify")


class AppriseSender:
    """The child, started again when it is needed and gone."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Raises Exit if Apprise does not know one of the addresses."""
        pipe = asyncio.subprocess.PIPE
        # A session of its own: a Ctrl-C is for the server, which still has something to tell then.
        self._process = await asyncio.create_subprocess_exec(
            *_CHILD, stdin=pipe, stdout=pipe, start_new_session=True
        )
        self._write([target.url for target in self._targets])
        async with asyncio.timeout(START_WITHIN_S):
            unknown = json.loads(await self._stdout().readline() or '{"unknown": []}')["unknown"]
        if unknown:
            target = self._targets[unknown[0]]
            raise ProgramExit(
                ExitCode.USAGE,
                f"--notify {target.number} is no address that Apprise knows ({target.scheme[:20]}://…)",
                hint="see the list of services in Apprise's documentation",
            )
        self._reading = asyncio.create_task(self._read(self._process))

    async def send(self, target: Target, message: Message) -> bool:
        """Returns when the target has it, or when it is known, or to be assumed, that it has not."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                await self.start()
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            order = {"id": number, "target": self._targets.index(target), "title": message.title}
            self._write({**order, "body": message.body, "kind": message.kind})
            return await asyncio.wait_for(self._waiting[number], SEND_WITHIN_S)
        except TimeoutError:
            # Its thread would hang on, so the next message gets a fresh child.
            self._kill()
            return False
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Ends the child, whatever it is waiting for."""
        self._kill()
        if self._process is not None:
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _write(self, document: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(document).encode() + b"\n")

    def _stdout(self) -> asyncio.StreamReader:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hands out the child's answers; when it is gone, nothing of what waits was taken."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            answer = json.loads(line)
            self._settle(answer["id"], sent=answer["sent"])
        await process.wait()
        for number in list(self._waiting):
            self._settle(number, sent=False)

    def _settle(self, number: int, *, sent: bool) -> None:
        waiter = self._waiting.get(number)
        if waiter is not None and not waiter.done():
            waiter.set_result(sent)


@contextlib.asynccontextmanager
async def courier(targets: Sequence[Target]) -> AsyncIterator[AppriseSender]:
    """One for these targets, if there are any; raises Exit where a target can't be."""
    if targets and find_spec("apprise") is None:
        raise ProgramExit(
            ExitCode.USAGE, "--notify needs apprise", hint="pip install 'amplifier-swarm[notify]'"
        )
    found = AppriseSender(targets)
    try:
        if targets:
            await found.start()
        yield found
    finally:
        await found.close()
