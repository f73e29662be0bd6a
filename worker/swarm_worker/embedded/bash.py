"""The tool that runs shell commands in the work folder.

Invariant: no process of the command's process group outlives the call, whether the call ends by itself, by its
timeout or by a cancel. (The guard finds processes that leave the group.)
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
from swarm_worker.embedded.results import failed_result

DEFAULT_TIMEOUT_S: Final = 120.0
MAX_TIMEOUT_S: Final = 3600.0
# The size of the first and of the last part that are kept of longer output.
PART_BYTES: Final = 16_000
# The part of the output that the message of a failed call contains.
ERROR_CHARS: Final = 2_000
# How long to read on after the command's exit; a process that left the group may hold the pipe open forever.
DRAIN_S: Final = 0.5


class Bash:
    """The tool that runs a command line with bash, without input."""

    name = "bash"
    description = "Runs a command with bash in the work folder; output and time are bounded."
    input_schema: Json = {  # noqa: RUF012  # read only
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "timeout_s": {"type": "string", "description": f"Seconds; the default is {DEFAULT_TIMEOUT_S:g}."},
        },
        "required": ["command"],
    }

    def __init__(self, root: Path) -> None:
        self._root = root

    async def execute(self, input: Json) -> Any:  # noqa: A002  # the kernel's own word
        command = input.get("command")
        if not isinstance(command, str) or not command.strip():
            return failed_result("the argument 'command' is missing or empty")
        try:
            timeout_s = _timeout_s(input.get("timeout_s"))
        except ValueError as error:
            return failed_result(str(error))
        shell = shutil.which("bash")
        if shell is None:
            return failed_result("bash is not on PATH; install it")
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
            return failed_result(f"the command can't be started: {error}")
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
        if exit_code == 0:
            return ToolResult(output={"exit_code": 0, "output": output.text})
        end = f"not finished after {timeout_s:g} s" if exit_code is None else f"exit {exit_code}"
        tail = output.text[-ERROR_CHARS:].strip()
        message = f"{end}: {tail}" if tail else end
        return failed_result(message, output={"exit_code": exit_code, "output": output.text})


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
        raise ValueError(f"'timeout_s' is {value!r}; pass a number of seconds") from None
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise ValueError(f"'timeout_s' must be above 0 and at most {MAX_TIMEOUT_S:g}")
    return seconds
