"""The program swarm-session, by which an agent in a shell acts for its own task."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from swarm_session import calls
from swarm_session.connection import SessionError

PROGRAM = "swarm-session"
REFUSED = 1


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits: 0 if it was done, 1 if it was refused, 2 for a wrong command line."""
    given = _parser().parse_args(argv)
    try:
        given.run(given)
    except SessionError as error:
        sys.exit(_refused(str(error)))
    except OSError as error:
        sys.exit(_refused(f"{error.filename or ''}: {error.strerror or error}"))


def _refused(message: str) -> int:
    print(f"{PROGRAM}: {message}", file=sys.stderr)  # noqa: T201  # it is the program's output
    return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Acts for the task of the session that runs this."
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    progress = commands.add_parser("progress", help="say how far the session is")
    progress.add_argument("text", help="what it does now, in one line")
    progress.add_argument("--percent", type=int, metavar="N", help="how much is done, from 0 to 100")
    progress.set_defaults(run=lambda given: calls.report_progress(given.text, given.percent))
    ask = commands.add_parser(
        "ask", help="ask a person and print the answer; the session ends if nobody answers in time"
    )
    ask.add_argument("question")
    ask.add_argument("--option", action="append", default=[], help="an answer to choose; may be repeated")
    ask.set_defaults(run=_ask)
    _add_file_task(
        commands.add_parser("file-task", help="file work that is needed and not part of this task")
    )
    artifact = commands.add_parser("artifact", help="store a file for people")
    artifact.add_argument("path")
    artifact.add_argument("--name", default="", help="its name; by default its path in the workspace")
    artifact.set_defaults(run=lambda given: calls.add_artifact(given.path, given.name))
    dependency = commands.add_parser(
        "dependency", help="print what came of the tasks before this one, as JSON"
    )
    dependency.add_argument("task", nargs="?", default="", help="one of them; all if left out")
    dependency.set_defaults(run=_print_dependencies)
    commands.add_parser("mcp", help="serve these calls by the Model Context Protocol").set_defaults(
        run=_serve
    )
    return parser


def _add_file_task(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a line for people")
    parser.add_argument("--description", required=True, help="what is to be done; `-` reads standard input")
    lists = (
        ("--criterion", "acceptance_criteria", "what must be true of the result"),
        ("--file", "files", "a file that the task makes or changes"),
        ("--check", "checks", "a shell command that must exit 0"),
        ("--after", "dependencies", "this task, or one that it has filed"),
    )
    for flag, name, text in lists:
        parser.add_argument(flag, dest=name, action="append", default=[], help=f"{text}; may be repeated")
    parser.set_defaults(run=_file_task)


def _file_task(given: argparse.Namespace) -> None:
    filed = calls.file_task(
        given.name,
        sys.stdin.read() if given.description == "-" else given.description,
        acceptance_criteria=given.acceptance_criteria,
        files=given.files,
        checks=given.checks,
        dependencies=given.dependencies,
    )
    print(filed.task_id)  # noqa: T201  # it is the program's output
    if filed.held:
        print("it waits for the approval of a person", file=sys.stderr)  # noqa: T201  # as above


def _ask(given: argparse.Namespace) -> None:
    print(calls.ask(given.question, given.option).text)  # noqa: T201  # it is the program's output


def _serve(_given: argparse.Namespace) -> None:
    try:
        from swarm_session.mcp_tools import serve  # noqa: PLC0415  # it needs a package that shells do without
    except ImportError as error:
        sys.exit(_refused(f"the package `{error.name}` is missing: install the extra mcp of amplifier-swarm"))
    serve()


def _print_dependencies(given: argparse.Namespace) -> None:
    print(json.dumps(calls.read_dependencies(given.task), indent=2, ensure_ascii=False))  # noqa: T201  # as above


def _version() -> str:
    try:
        return version("amplifier-swarm")
    except PackageNotFoundError:  # a sandbox shows this package's folder alone
        return "unknown"
