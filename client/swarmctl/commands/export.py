"""`swarmctl export`."""

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.plan.source import MAX_BYTES, STDIN
from amplifier_swarm.plan.write import plan_document, plan_text
from amplifier_swarm.text import printable
from amplifier_swarm.v1.operator_service_pb2 import ExportTasksRequest, ExportTasksResponse
from amplifier_swarm.v1.task_pb2 import TaskStatus
from amplifier_swarm.vocabulary import StatusName
from swarmctl import text_format
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import OptionalTargetFile
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.printer import Output, json_text, write_exact
from swarmctl.valued_files import refuse_for_export

_COMMENT: Final = re.compile(rb"^[ \t]*#|[ \t]#", re.MULTILINE)


def run(
    ctl: CommandContext,
    file: OptionalTargetFile = STDIN,
    *,
    status: Annotated[
        list[StatusName] | None,
        typer.Option(metavar="STATUS", help="Only tasks with this status; repeatable."),
    ] = None,
) -> None:
    """Equal tasks give equal bytes, so that two exports can be compared. FILE is replaced as a whole; comments
    in it are not kept. YAML, or JSON with `-o json` or a FILE that ends with .json.
    """
    request = ExportTasksRequest(statuses=[text_format.value_of(TaskStatus, one) for one in status or ()])
    text = _text(ctl.reading_stub.ExportTasks(request), ctl.printer.output, file)
    if file == STDIN:
        # On a terminal control characters are escaped; a pipe gets every character as it is.
        write_exact(printable(text, newlines=True) if sys.stdout.isatty() else text)
        return
    commented = _has_comments(file)
    with replacing(file, mode=0o666, keep_mode=True, refuse=refuse_for_export) as out:
        out.write(text.encode())
    if commented:
        print_err(f"swarmctl: {file} had comments; an export keeps none")


def _text(answers: Iterator[ExportTasksResponse], output: Output, file: str) -> str:
    first = next(answers, ExportTasksResponse())
    tasks = chain(first.tasks, chain.from_iterable(answer.tasks for answer in answers))
    if output is Output.JSON or (output is Output.TABLE and file.lower().endswith(".json")):
        return json_text(plan_document(tasks, first.concurrency), indent=2) + "\n"
    return "".join(plan_text(tasks, first.concurrency))


def _has_comments(file: str) -> bool:
    """Returns whether the file that is to be replaced seems to hold comments."""
    if file.lower().endswith(".json"):
        return False
    try:
        path = Path(file)
        if not path.is_file():
            return False
        with path.open("rb") as old:
            return _COMMENT.search(old.read(MAX_BYTES)) is not None
    except OSError:
        return False
