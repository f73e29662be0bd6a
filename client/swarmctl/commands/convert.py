"""`swarmctl convert`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.foreign import FormatName
from amplifier_swarm.plan.source import STDIN
from amplifier_swarm.plan.write import plan_document, plan_text
from amplifier_swarm.text import printable
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import PlanFile
from swarmctl.cli.context import CommandContext
from swarmctl.cli.paths import expanded_text
from swarmctl.console import print_err
from swarmctl.forecast.graph import graph_of
from swarmctl.formats.convert import Converted, convert
from swarmctl.render.printer import Output, json_text, write_exact
from swarmctl.text_format import plural


def run(
    ctl: CommandContext,
    file: PlanFile,
    *,
    from_: Annotated[
        FormatName,
        typer.Option("--from", metavar="FORMAT", help=f"Its format: {', '.join(FormatName)}."),
    ] = FormatName.AUTO,
    prefix: Annotated[
        str,
        typer.Option(metavar="TEXT", help="What each id begins with, if several files go into one swarm."),
    ] = "",
    out: Annotated[
        str, typer.Option(metavar="FILE", help="Where to; replaces nothing.", callback=expanded_text)
    ] = STDIN,
) -> None:
    """Prints the list of another tool as a task file, and says what it could not carry. Needs no server.

    The same FILE always becomes the same task file, so that a second import changes nothing.
    """
    found = convert(file, from_, prefix=prefix)
    graph_of(found.plan, {})  # refuses a cycle
    as_json = ctl.printer.output is Output.JSON or (
        ctl.printer.output is Output.TABLE and out.lower().endswith(".json")
    )
    if as_json:
        text = json_text(plan_document(found.plan.tasks), indent=2) + "\n"
    else:
        text = "".join(plan_text(found.plan.tasks))
    for note in found.plan.warnings:
        print_err(f"not carried: {note.text(found.plan.file)}")
    _write(text, out)
    print_err(_summary(found))


def _write(text: str, out: str) -> None:
    if out == STDIN:
        write_exact(printable(text, newlines=True) if sys.stdout.isatty() else text)
        return
    data = text.encode()
    if Path(out).exists():
        if Path(out).is_file() and Path(out).read_bytes() == data:
            return
        raise ProgramExit(
            ExitCode.CONFLICT, f"{out} exists and differs", hint="name another file, or remove it"
        )
    with replacing(out, mode=0o666) as target:
        target.write(data)


def _summary(found: Converted) -> str:
    edges = "1 dependency" if found.edges == 1 else f"{found.edges:,} dependencies"
    notes = len(found.plan.warnings)
    rest = f"; {plural(notes, 'note')} on what is not carried" if notes else ""
    return f"{found.plan.file}: {found.format}, {plural(len(found.plan.tasks), 'task')}, {edges}{rest}"
