"""`swarmctl doctor`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.exits import ExitCode
from amplifier_swarm.state_paths import STATE, project_state
from swarmctl.cli.arguments import DatabaseFile, ProjectRoot
from swarmctl.cli.context import CommandContext
from swarmctl.cli.worker_flags import WorkerFlags
from swarmctl.doctor.check import Check, failed
from swarmctl.doctor.database import database_check
from swarmctl.doctor.machine import machine_checks
from swarmctl.doctor.render import doctor_blocks, doctor_document
from swarmctl.doctor.server import server_checks
from swarmctl.doctor.worker import worker_checks
from swarmctl.programs import installed

_NO_FLAGS: Final = WorkerFlags()


def run(
    ctl: CommandContext,
    *,
    project_root: ProjectRoot = Path(),
    db: DatabaseFile = STATE / "swarm.db",
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Look for no server, as before a `swarmctl run`.")
    ] = False,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the model for one word, in a session of each role.")
    ] = False,
    flags: WorkerFlags = _NO_FLAGS,
) -> ExitCode:
    """Checks this machine, the server, and what a worker with the same flags would need: its runner,
    credentials, a process tree that it can end. Starts no session without --ask. Exits with 1 if any check failed.
    """
    checks = list(_checks(ctl, project_root, db, no_server=no_server, flags=flags, ask=ask))
    ctl.printer.show(checks, doctor_document, doctor_blocks)
    return ExitCode.NEGATIVE if failed(checks) else ExitCode.OK


def _checks(
    ctl: CommandContext, project_root: Path, db: Path, *, no_server: bool, flags: WorkerFlags, ask: bool
) -> Iterator[Check]:
    database = project_state(project_root).path(db)
    state, token_file = database.parent, ctl.options.token_file
    yield from machine_checks(project_root=project_root, state=state, token_file=token_file)
    yield database_check(database)
    if not no_server:
        yield from server_checks(ctl)
    yield from worker_checks(installed(), project_root=project_root, flags=flags, ask=ask)
