"""`swarmctl validate`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.credentials import read_token
from amplifier_swarm.documents import Document
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.plan.faults import report_lines
from amplifier_swarm.state_paths import TOKEN, ProjectState
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.connection import Connection
from swarmctl.api.plan_upload import send_plan
from swarmctl.api.reading_server import ReadingServer
from swarmctl.cli.arguments import PlanFile, SourceFormat
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.formats.convert import plan_from
from swarmctl.render.blocks import Blocks, Prose
from swarmctl.text_format import plural


@dataclass(frozen=True, slots=True)
class ValidPlan:
    """A file without faults."""

    file: str
    tasks: int
    warnings: tuple[str, ...]


def run(
    ctl: CommandContext,
    file: PlanFile,
    *,
    from_: SourceFormat = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse fields that are not known.")] = False,
) -> None:
    """Needs no server: a swarmd of its own with an empty database checks the file, and ends with the command. The
    faults are those of `import` into a new swarm; ids of tasks that only another server has are unknown.
    """
    plan = plan_from(file, from_, strict=strict)
    with _empty_swarm() as stub:
        sent = send_plan(stub, plan, dry_run=True)
    warnings = tuple(report_lines(plan.file, [*plan.warnings, *sent.warnings]))
    for line in warnings:
        print_err(f"warning: {line}")
    ctl.printer.show(ValidPlan(plan.file, len(plan.tasks), warnings), _document, _blocks)


@contextmanager
def _empty_swarm() -> Iterator[OperatorServiceStub]:
    """Yields the methods of a server with an empty database in a temporary folder."""
    with TemporaryDirectory(prefix="swarmctl-") as folder:
        state = ProjectState(project=Path(folder), folder=Path(folder))
        try:
            server = ReadingServer(state, announced=False)
        except ProgramExit as end:
            raise ProgramExit(end.code, f"the file can't be checked: {end.message}", hint=end.hint) from end
        try:
            connection = Connection(Endpoint(server.address, read_token(state.folder / TOKEN)))
            try:
                yield connection.stub
            finally:
                connection.close()
        finally:
            server.close()


def _document(valid: ValidPlan) -> Document:
    return {"valid": True, "tasks": valid.tasks, "warnings": list(valid.warnings)}


def _blocks(valid: ValidPlan) -> Blocks:
    return [Prose(f"{valid.file}: {plural(valid.tasks, 'task')}, no faults", indent=0)]
