"""`swarmctl get`."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.source import STDIN
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import GetArtifactRequest, GetArtifactResponse
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.cli.paths import expanded_text
from swarmctl.console import print_err
from swarmctl.render.printer import write
from swarmctl.valued_files import refuse_for_export


def run(
    ctl: CommandContext,
    task: TaskId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in `swarmctl artifacts TASK`.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE]",
            help="Where to; - is stdout. Without it, a new file of that name in this folder.",
            callback=expanded_text,
        ),
    ] = "",
    *,
    attempt: Annotated[
        int,
        typer.Option(min=0, max=2**31 - 1, metavar="N", help="Of this attempt; 0 is the latest that has it."),
    ] = 0,
) -> None:
    """FILE is written whole or not at all. The content comes from a session: do not run or open it blindly."""
    answers = ctl.reading_stub.GetArtifact(GetArtifactRequest(task_id=task, name=name, attempt=attempt))
    if file == STDIN:
        _print(_content(answers))
        return
    place = file or str(Path(PurePosixPath(name).name))
    written = 0
    with replacing(place, mode=0o666, refuse=refuse_for_export if file else _refuse_existing) as out:
        for chunk in _content(answers):
            written += out.write(chunk)
    print_err(f"swarmctl: {written:,} bytes written to {place}")


def _content(answers: Iterator[GetArtifactResponse]) -> Iterator[bytes]:
    """Yields the content; raises ProgramExit at the end if it is not what the server stored."""
    first = next(answers)
    found = hashlib.sha256(first.chunk)
    yield first.chunk
    for answer in answers:
        found.update(answer.chunk)
        yield answer.chunk
    if found.hexdigest() != first.artifact.sha256:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            "the content has another SHA-256 than the artifact, so it was damaged",
            hint="check the disk of the server",
        )


def _print(content: Iterator[bytes]) -> None:
    """Writes to stdout; on a terminal, control characters are escaped."""
    if sys.stdout.isatty():
        write(printable(b"".join(content).decode("utf-8", "backslashreplace"), newlines=True))
        return
    for chunk in content:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _refuse_existing(goal: Path, place: str) -> None:
    if goal.exists():
        raise ProgramExit(ExitCode.USAGE, f"{place} exists", hint="pass a FILE to write to; that is replaced")
