"""Shell commands of a session's tool.

Invariant: no process of the command's process group outlives the call, whether the call ends by itself, by its
time limit or by a cancel. (The guard finds processes that leave the group.)
"""

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_TIMEOUT_S: Final = 120.0
MAX_TIMEOUT_S: Final = 3600.0
# The size of the first and of the last part that are kept of longer output.
PART_BYTES: Final = 16_000
# The part of the output that the message of a failed call contains.
ERROR_CHARS: Final = 2_000
# How long to read on after the command's exit; a process that left the group may hold the pipe open forever.
DRAIN_S: Final = 0.5


class ShellRefusal(Exception):
    """An error for a command that was not started, in words for the model."""


@dataclass(frozen=True, slots=True)
class ShellEnd:
    """The end of a command; `exit_code` is None if its time ran out."""

    exit_code: int | None
    output: str
    timeout_s: float

    @property
    def message(self) -> str:
        """Returns the way in which the command failed, with the end of its output."""
        end = (
            f"not finished after {self.timeout_s:g} s" if self.exit_code is None else f"exit {self.exit_code}"
        )
        tail = self.output[-ERROR_CHARS:].strip()
        return f"{end}: {tail}" if tail else end


async def run_shell(command: object, root: Path, *, limit: object = None) -> ShellEnd:
    """Runs a command with bash in a folder, without input; `limit` is in seconds.

    Raises:
        ShellRefusal: an argument is wrong, or the command can't be started.
    """
    if not isinstance(command, str) or not command.strip():
        raise ShellRefusal("the argument 'command' is missing or empty")
    timeout_s = _timeout_s(limit)
    shell = shutil.which("bash")
    if shell is None:
        raise ShellRefusal("bash is not on PATH; install it")
    return await _run([shell, "-c", command], root, timeout_s)


async def _run(argv: list[str], root: Path, timeout_s: float) -> ShellEnd:
    output = _Output()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output.writer,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        output.close()
        raise ShellRefusal(f"the command can't be started: {error}") from error
    output.start()
    try:
        async with asyncio.timeout(timeout_s):
            exit_code: int | None = await process.wait()
    except TimeoutError:
        exit_code = None
    finally:
        _kill_group(process.pid)
        await process.wait()
        await output.finish()
    return ShellEnd(exit_code, output.text, timeout_s)


class _Output:
    """The command's output, read as it arrives so that the command never blocks on the pipe."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writer, True)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Starts to read and closes this process's write end, so that the reader sees the end of the file."""
        os.close(self.writer)
        asyncio.get_running_loop().add_reader(self._reader, self._on_readable)

    async def finish(self) -> None:
        """Reads until the end of the file, at most DRAIN_S."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._ended.wait()
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)

    def close(self) -> None:
        """Closes both ends if no process was started."""
        os.close(self.writer)
        os.close(self._reader)

    @property
    def text(self) -> str:
        cut = f"\n… {self._dropped} bytes left out …\n".encode() if self._dropped else b""
        return (self._head + cut + self._tail).decode(errors="replace")

    def _on_readable(self) -> None:
        chunk = os.read(self._reader, 65536)
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._reader)
            self._ended.set()
            return
        room = PART_BYTES - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        excess = max(0, len(self._tail) - PART_BYTES)
        self._dropped += excess
        del self._tail[:excess]


def _kill_group(group: int) -> None:
    # The group has exited, or what is left of it belongs to another user.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _timeout_s(value: object) -> float:
    if value in (None, ""):
        return DEFAULT_TIMEOUT_S
    try:
        seconds = float(str(value))
    except ValueError:
        raise ShellRefusal(f"the timeout is {value!r}; pass a number of seconds") from None
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise ShellRefusal(f"the timeout must be above 0 and at most {MAX_TIMEOUT_S:g} seconds")
    return seconds
