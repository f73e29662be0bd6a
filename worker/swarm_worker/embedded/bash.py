"""The tool that runs shell commands in the work folder.

Its rule: nothing that a command starts in its process group outlives the call, whether that ends
by itself, by its timeout or by a cancel. (What leaves the group is the guard's to find.)
"""

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from amplifier_core import ToolResult

from swarm_worker.embedded.kernel import Json
from swarm_worker.embedded.results import failed

DEFAULT_TIMEOUT_S: Final = 120.0
MAX_TIMEOUT_S: Final = 3600.0
# Of longer output the first and the last part are kept: the command's name and its failure.
PART_BYTES: Final = 16_000
# How much of the output goes into the message of a failed call.
ERROR_CHARS: Final = 2_000
# How long the output of a command that has ended may still trickle in; something that left its
# group may hold the pipe open for ever.
DRAIN_S: Final = 0.5


class Bash:
    """Runs a command line with bash, without input."""

    name = "bash"
    description = "Runs a command with bash in the work folder; output and time are bounded."
    input_schema: Json = {  # noqa: RUF012  # read only
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "timeout_s": {"type": "string", "description": f"Seconds, {DEFAULT_TIMEOUT_S:g} unless told."},
        },
        "required": ["command"],
    }

    def __init__(self, root: Path) -> None:
        self._root = root

    async def execute(self, input: Json) -> Any:  # noqa: A002  # the kernel's own word
        command = input.get("command")
        if not isinstance(command, str) or not command.strip():
            return failed("the argument 'command' is missing or empty")
        try:
            timeout_s = _timeout_s(input.get("timeout_s"))
        except ValueError as error:
            return failed(str(error))
        shell = shutil.which("bash")
        if shell is None:
            return failed("there is no bash on PATH")
        return await self._run([shell, "-c", command], timeout_s)

    async def _run(self, argv: list[str], timeout_s: float) -> Any:
        output = _Output()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self._root,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output.writer,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            output.close()
            return failed(f"the command can't be started: {error}")
        output.start()
        try:
            async with asyncio.timeout(timeout_s):
                exit_code: int | None = await process.wait()
        except TimeoutError:
            exit_code = None
        finally:
            _end_group(process.pid)
            await process.wait()
            await output.finish()
        if exit_code == 0:
            return ToolResult(output={"exit_code": 0, "output": output.text})
        how = f"still ran after {timeout_s:g} s" if exit_code is None else f"exit {exit_code}"
        tail = output.text[-ERROR_CHARS:].strip()
        message = f"{how}: {tail}" if tail else how
        return failed(message, output={"exit_code": exit_code, "output": output.text})


class _Output:
    """The command's output, read as it comes so that the command never waits for us."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writer, True)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Begins to read; our end for writing is closed, so that the last writer's end is seen."""
        os.close(self.writer)
        asyncio.get_running_loop().add_reader(self._reader, self._take)

    async def finish(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._ended.wait()
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)

    def close(self) -> None:
        """Gives up both ends; nothing was started."""
        os.close(self.writer)
        os.close(self._reader)

    @property
    def text(self) -> str:
        cut = f"\n… {self._dropped} bytes left out …\n".encode() if self._dropped else b""
        return (self._head + cut + self._tail).decode(errors="replace")

    def _take(self) -> None:
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


def _end_group(group: int) -> None:
    # Gone already, or of another user: then there is nothing here to end.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _timeout_s(value: object) -> float:
    if value in (None, ""):
        return DEFAULT_TIMEOUT_S
    try:
        seconds = float(str(value))
    except ValueError:
        raise ValueError("'timeout_s' is no number") from None
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise ValueError(f"'timeout_s' must be above 0 and at most {MAX_TIMEOUT_S:g}")
    return seconds
