"""The command line of the program. A wrong one exits it with its usage and code 2."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .options import INSTRUCTIONS
from .recovery import WAITS_S

ABOUT: Final = "about"
CHECK: Final = "check"
RUN: Final = "run"


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """A request for a turn, or for a check of what a turn needs."""

    command: str
    role: str = "builder"
    root: Path = Path()
    sessions: Path = Path()
    session_id: str = ""
    resumed: bool = False
    config: str = ""
    waits_s: tuple[float, ...] = WAITS_S


def read_arguments(argv: Sequence[str]) -> TurnRequest:
    """Reads the command line."""
    given = _parser().parse_args(argv)
    if given.command == ABOUT:
        return TurnRequest(ABOUT)
    base = TurnRequest(given.command, given.role, Path(given.cwd), Path(given.sessions), config=given.config)
    if given.command == CHECK:
        return base
    return TurnRequest(
        RUN, base.role, base.root, base.sessions, given.session_id, given.resume, base.config, given.waits
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agent_library", description="Drives the library amplifier_agent.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(ABOUT, help="what the installed library has, as JSON", allow_abbrev=False)
    check = commands.add_parser(CHECK, help="creates an agent and closes it", allow_abbrev=False)
    run = commands.add_parser(RUN, help="runs a turn, its prompt on stdin", allow_abbrev=False)
    for command in (check, run):
        command.add_argument("--role", choices=sorted(INSTRUCTIONS), required=True)
        command.add_argument("--cwd", required=True, help="the work folder")
        command.add_argument("--sessions", required=True, help="the folder for the library's sessions")
        command.add_argument("--config", default="", help="the library's configuration file")
    run.add_argument("--session-id", required=True)
    start = run.add_mutually_exclusive_group(required=True)
    start.add_argument("--fresh", action="store_true", help="begin the session")
    start.add_argument("--resume", action="store_true", help="go on with the session")
    run.add_argument(
        "--waits", type=_seconds, default=WAITS_S, help="waits for a provider: seconds, by commas"
    )
    return parser


def _seconds(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))
