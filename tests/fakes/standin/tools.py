"""The tools of a session. As in the original, bash runs each command in a session of its own."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .script import Call

READ_CHARS = 2_000
WRITERS = ("write_file", "edit_file", "apply_patch")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a tool call."""

    success: bool
    output: str = ""
    error: str = ""
    # A command has an output of several parts, and no error: only its exit code says that it failed.
    parts: dict[str, object] | None = None

    def document(self) -> dict[str, object]:
        """Returns the result in the form of the events."""
        return {
            "success": self.success,
            "output": self.parts or self.output,
            "error": {"message": self.error} if self.error and not self.parts else None,
        }


def run(call: Call, root: Path) -> Result:
    """Makes the call."""
    if call.tool not in _TOOLS:
        return Result(success=False, error=f"Tool '{call.tool}' not found")
    try:
        return _TOOLS[call.tool](call, root)
    except (OSError, UnicodeDecodeError) as error:
        return Result(success=False, error=str(error))


def leave_orphan(root: Path) -> int:
    """Starts a background command that outlives the engine's process group; returns its pid."""
    process = subprocess.Popen(
        ["sleep", "600"],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    pid = process.pid
    process.returncode = 0  # never waited for, on purpose
    return pid


def _write(call: Call, root: Path) -> Result:
    path = root / call.arguments["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(call.arguments["content"], "utf-8")
    return Result(success=True, output=f"Wrote {call.arguments['path']}")


def _read(call: Call, root: Path) -> Result:
    path = root / call.arguments["path"]
    text = (
        "\n".join(sorted(entry.name for entry in path.iterdir()))
        if path.is_dir()
        else path.read_text("utf-8")
    )
    return Result(success=True, output=text[:READ_CHARS])


def _bash(call: Call, root: Path) -> Result:
    done = subprocess.run(
        ["bash", "-c", call.arguments["command"]],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=False,
    )
    said = done.stdout.decode(errors="replace")[-READ_CHARS:]
    parts: dict[str, object] = {"stdout": said, "stderr": "", "returncode": done.returncode}
    if done.returncode == 0:
        return Result(success=True, output=said, parts=parts)
    error = f"exit {done.returncode}: {said.strip()}"
    return Result(success=False, output=said, error=error, parts=parts)


_TOOLS = {"write_file": _write, "read_file": _read, "bash": _bash}
