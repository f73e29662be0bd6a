"""The sender of notifications, by way of a child process in which Apprise runs."""

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

# Apprise takes a second or two to load its plugins.
START_WITHIN_S: Final = 60.0
# Longer than any service that answers takes.
SEND_WITHIN_S: Final = 60.0
# Without -P, modules of the folder in which swarmd was started would shadow ours and Apprise's.
_CHILD: Final = (sys.executable, "-P", "-m", "swarmd.notify.apprise_process")

_log = structlog.get_logger("swarmd.notify")


class AppriseSender:
    """The parent's side of the Apprise process; it restarts the process if it has died."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._answer_reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Starts the process.

        Raises: ProgramExit if it does not start, or if Apprise does not know one of the addresses.
        """
        try:
            unknown = await self._spawn()
        except OSError as error:
            raise ProgramExit(
                ExitCode.NEGATIVE,
                f"the process that sends notifications does not start: {error}",
                hint="try `python -P -m swarmd.notify.apprise_process`, or leave out --notify",
            ) from error
        if unknown:
            target = self._targets[unknown[0]]
            raise ProgramExit(
                ExitCode.USAGE,
                f"--notify {target.number} is not an address that Apprise knows ({target.scheme[:20]}://…)",
                hint="see the list of services in Apprise's documentation",
            )

    async def send(self, target: Target, message: Message) -> bool:
        """Returns True once the target has taken the message; False if it has not, or if it did not answer in time."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                try:
                    await self._spawn()
                except OSError as error:
                    _log.warning("the process that sends notifications does not start", error=str(error))
                    return False
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            request = {"id": number, "target": self._targets.index(target), "title": message.title}
            self._write({**request, "body": message.body, "kind": message.kind})
            return await asyncio.wait_for(self._waiting[number], SEND_WITHIN_S)
        except TimeoutError:
            # The thread would go on hanging, so the next message gets a new process.
            self._kill()
            return False
        finally:
            del self._waiting[number]

    async def _spawn(self) -> Sequence[int]:
        """Starts the process; returns the indexes of targets whose address Apprise does not know.

        Raises: OSError if the process can't be started, ends at once or does not answer.
        """
        pipe = asyncio.subprocess.PIPE
        # A session of its own: Ctrl-C is for the server, which still sends notices then.
        process = await asyncio.create_subprocess_exec(
            *_CHILD, stdin=pipe, stdout=pipe, start_new_session=True
        )
        self._process = process
        self._write([target.url for target in self._targets])
        try:
            async with asyncio.timeout(START_WITHIN_S):
                line = await self._stdout().readline()
        except TimeoutError:
            self._kill()
            raise OSError(f"it does not answer within {START_WITHIN_S:.0f} s") from None
        if not line:
            raise OSError(f"it ended with {await process.wait()}")
        self._answer_reader = asyncio.create_task(self._read(process))
        found: Sequence[int] = json.loads(line)["unknown"]
        return found

    async def close(self) -> None:
        """Kills the process and waits for its end."""
        self._kill()
        if self._process is not None:
            await self._process.wait()
        if self._answer_reader is not None:
            await self._answer_reader

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
        """Resolves the waiting sends with the process's answers; when the process ends, the rest were not taken."""
        assert process.stdout is not None
        while line := await process.stdout.readline():
            answer = json.loads(line)
            self._resolve(answer["id"], sent=answer["sent"])
        await process.wait()
        for number in list(self._waiting):
            self._resolve(number, sent=False)

    def _resolve(self, number: int, *, sent: bool) -> None:
        waiter = self._waiting.get(number)
        if waiter is not None and not waiter.done():
            waiter.set_result(sent)


@contextlib.asynccontextmanager
async def run_sender(targets: Sequence[Target]) -> AsyncIterator[AppriseSender]:
    """Runs a sender for these targets; without targets it starts no process.

    Raises: ProgramExit if Apprise is not installed or does not know an address.
    """
    if targets and find_spec("apprise") is None:
        raise ProgramExit(
            ExitCode.USAGE, "--notify needs apprise", hint="pip install 'amplifier-swarm[notify]'"
        )
    sender = AppriseSender(targets)
    try:
        if targets:
            await sender.start()
        yield sender
    finally:
        await sender.close()
