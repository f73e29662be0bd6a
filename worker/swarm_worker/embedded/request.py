"""The caller's request, from argv, environment and stdin, checked before the kernel is imported."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from swarm_worker.agent_library.envelope import PROTOCOL_VERSION, EnvelopeFault
from swarm_worker.embedded.default_script import default_script
from swarm_worker.embedded.task import BadTask, EmbeddedRole, EmbeddedTask, Script, read_task

# The mode without the tool that writes.
VALIDATE: Final = "validate"
_SESSION_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")


class Refusal(Exception):
    """An error for a call that its caller must correct."""

    def __init__(self, code: str, message: str, *, remediation: str = "") -> None:
        super().__init__(message)
        self.fault = EnvelopeFault(code, message, "protocol", remediation)


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request for one turn of a session."""

    session_id: str
    root: Path
    role: EmbeddedRole
    script: Script
    prompt: str
    mode: str | None = None
    resumed: bool = False


def read_request(argv: Sequence[str], environ: Mapping[str, str], stdin: BinaryIO) -> Request:
    """Reads and checks the request. A wrong flag exits the program with its usage and code 2.

    Raises:
        Refusal: the request is not valid.
    """
    given = _parser().parse_args(argv)
    if not _SESSION_ID.fullmatch(given.session_id):
        raise Refusal("invalid_session", f"--session-id must match {_SESSION_ID.pattern}")
    if given.protocol_version != PROTOCOL_VERSION:
        raise Refusal("protocol_version_mismatch", f"this engine speaks {PROTOCOL_VERSION}")
    if given.mode not in (None, VALIDATE):
        raise Refusal("argv_mode_unknown", f"--mode {given.mode!r} is unknown; the only mode is {VALIDATE}")
    root = Path(given.cwd)
    if not root.is_dir():
        raise Refusal("argv_path_unreadable", f"--cwd {given.cwd!r} is not a directory")
    task, role = _task(environ), _role(environ)
    script = task.script(role, attempt=_attempt(environ)) or default_script(task, role, root=root.resolve())
    return Request(
        session_id=given.session_id,
        root=root.resolve(),
        role=role,
        script=script,
        prompt=_prompt(given.prompt, stdin),
        mode=given.mode,
        resumed=given.resume,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m swarm_worker.embedded",
        description="Runs one session of amplifier-core with an offline provider.",
        allow_abbrev=False,
    )
    run = parser.add_subparsers(required=True).add_parser("run", allow_abbrev=False)
    run.add_argument("--session-id", required=True)
    start = run.add_mutually_exclusive_group(required=True)
    start.add_argument("--fresh", action="store_true", help="begin a session")
    start.add_argument("--resume", action="store_true", help="the same: no conversation is kept")
    run.add_argument("--cwd", required=True, help="the work folder, which the tools do not leave")
    run.add_argument("--output", choices=["json"], required=True, help="an envelope on stdout, at the end")
    run.add_argument("--display", choices=["ndjson"], required=True, help="events on stderr, as they happen")
    run.add_argument("--mode", help=f"{VALIDATE}: without the tool that writes")
    run.add_argument("--protocol-version", default=PROTOCOL_VERSION)
    run.add_argument("prompt", nargs="?", help="after --; else it is read from stdin")
    return parser


def _prompt(given: str | None, stdin: BinaryIO) -> str:
    prompt = "" if given is None and stdin.isatty() else given or stdin.read().decode(errors="replace")
    if not prompt.strip():
        raise Refusal("prompt_required", "the prompt is missing; pass it on stdin or after --")
    return prompt


def _task(environ: Mapping[str, str]) -> EmbeddedTask:
    name = environ.get("SWARM_TASK_FILE", "")
    if not name:
        hint = "Set it to a JSON file of the task; a swarm-worker does."
        raise Refusal("config_unreadable", "SWARM_TASK_FILE is not set", remediation=hint)
    try:
        return read_task(Path(name))
    except OSError as error:
        raise Refusal("config_unreadable", f"SWARM_TASK_FILE {name!r}: {error.strerror}") from error
    except BadTask as error:
        raise Refusal("config_invalid_type", f"SWARM_TASK_FILE {name!r}: {error}") from error


def _role(environ: Mapping[str, str]) -> EmbeddedRole:
    try:
        return EmbeddedRole(environ.get("SWARM_ROLE", ""))
    except ValueError:
        raise Refusal("config_invalid_type", "SWARM_ROLE must be builder or validator") from None


def _attempt(environ: Mapping[str, str]) -> int:
    text = environ.get("SWARM_ATTEMPT", "1")
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise Refusal("config_invalid_type", "SWARM_ATTEMPT must be a whole number from 1")
    return int(text)
