"""`swarmctl run`."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.amplifier import agent_path, cli_path, library_python, no_amplifier
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.hardening import protect_process
from amplifier_swarm.old_state import server_state
from amplifier_swarm.state_paths import STATE, project_state
from amplifier_swarm.vocabulary import RunnerName, WorkspaceName
from swarmctl.api.plan_upload import with_cost_cap
from swarmctl.cli.arguments import DatabaseFile, MaxCost, PlanFile, ProjectRoot, SourceFormat
from swarmctl.cli.context import CommandContext
from swarmctl.cli.worker_flags import WorkerFlags
from swarmctl.console import print_err
from swarmctl.formats.convert import plan_from
from swarmctl.programs import installed
from swarmctl.run.paths import RunPaths
from swarmctl.run.settings import RunSettings
from swarmctl.run.shared_tree import warn_of_shared_tree
from swarmctl.run.supervisor import run_plan

_UNUSABLE_OPTIONS: Final = {
    "server": "--server",
    "token_file": "--token-file",
    "tls_ca": "--tls-ca",
    "tls_ca_fingerprint": "--tls-ca-fingerprint",
    "tls_cert": "--tls-cert",
    "tls_key": "--tls-key",
}
_NO_FLAGS: Final = WorkerFlags()
Notify = Annotated[
    list[str] | None,
    typer.Option(metavar="URL|@FILE", help="Whom to tell what happens, as `swarmd --notify`; repeatable."),
]
ExclusiveFiles = Annotated[
    bool,
    typer.Option("--exclusive-files", help="Never run tasks at once whose files overlap, in clones too."),
]
Land = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TASK", help="Also land the kept work of this completed task, as `land`; repeatable."
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Go on while a task waits for a person, as `inbox` lists it.")
]
RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Also run the tasks again that failed in an earlier run."),
]


def run(
    ctl: CommandContext,
    file: PlanFile,
    *,
    from_: SourceFormat = None,
    workers: Annotated[int, typer.Option(min=1, max=256, metavar="N", help="How many workers.")] = 3,
    project_root: ProjectRoot = Path(),
    db: DatabaseFile = STATE / "swarm.db",
    dashboard: Annotated[
        str, typer.Option(metavar="HOST:PORT|off", help="Where to serve it; port 0 takes a free one.")
    ] = "127.0.0.1:0",
    notify: Notify = None,
    exclusive_files: ExclusiveFiles = False,
    land: Land = None,
    retry_failed: RetryFailed = False,
    wait: Wait = False,
    max_cost: MaxCost = "",
    flags: WorkerFlags = _NO_FLAGS,
) -> ExitCode:
    """Ends with a table of all tasks, and with 0 only if every task is completed.

    Ctrl-C lets the running tasks end; a second Ctrl-C kills them. The same command with the same --db
    continues the run. If the run itself is killed, its server, workers and sessions end too.
    """
    protect_process()
    _check_arguments(ctl, project_root, flags, workers)
    plan = with_cost_cap(plan_from(file, from_), max_cost)
    settings = RunSettings(
        programs=installed(),
        paths=_paths(db, project_root),
        workers=workers,
        project_root=project_root,
        server_flags=("--dashboard", dashboard, *(("--exclusive-files",) if exclusive_files else ())),
        notify=tuple(notify or ()),
        land=tuple(land or ()),
        retry_failed=retry_failed,
        wait=wait,
        worker_flags=tuple(flags.argv()),
    )
    return run_plan(plan, settings, ctl.printer)


def _check_runner(runner: str, agent_python: str) -> None:
    """Raises ProgramExit if no Amplifier is installed that the workers could choose."""
    own = os.environ
    found = library_python(own, own, named=agent_python) or agent_path(own, own) or cli_path(own)
    if runner == RunnerName.AUTO and not found:
        raise no_amplifier()


def _paths(db: Path, project_root: Path) -> RunPaths:
    """Returns the files of the run; moves those that an earlier version kept in the project."""
    if not db.is_relative_to(STATE):
        return RunPaths(db.absolute(), project_root=project_root)
    found = server_state(project_state(project_root))
    if found.note:
        print_err(f"swarmctl: {found.note}")
    return RunPaths(found.state.path(db), found.state, project_root)


def _check_arguments(ctl: CommandContext, project_root: Path, flags: WorkerFlags, workers: int) -> None:
    """Warns of a shared work tree; raises ProgramExit for arguments that can't work, before anything is started."""
    for name, flag in _UNUSABLE_OPTIONS.items():
        if name in ctl.options.given:
            hint = "to use a server that runs, `swarmctl import FILE` and `swarmctl watch`"
            raise ProgramExit(
                ExitCode.USAGE, f"run starts a server of its own and takes no {flag}", hint=hint
            )
    if not project_root.is_dir():
        raise ProgramExit(
            ExitCode.USAGE,
            f"{project_root} is not a directory",
            hint="create it or pass another --project-root",
        )
    if not os.access(project_root, os.R_OK | os.W_OK | os.X_OK):
        hint = "see who owns it, and its mode"
        raise ProgramExit(
            ExitCode.USAGE, f"the project root {project_root} can't be read and written", hint=hint
        )
    own_python = os.environ.get("SWARM_WORKER_AGENT_PYTHON", "")
    runner = flags.runner or os.environ.get("SWARM_WORKER_RUNNER") or RunnerName.AUTO
    workspace = flags.workspace or os.environ.get("SWARM_WORKER_WORKSPACE") or WorkspaceName.AUTO
    # A folder inside a larger work tree gets no clones; see docs/workspaces.md.
    shared = workspace == WorkspaceName.SHARED or not (project_root / ".git").exists()
    if runner != RunnerName.EMBEDDED and not flags.repo and shared:
        warn_of_shared_tree(project_root, at_once=workers * (flags.slots or 1))
    _check_runner(runner, flags.agent_python or own_python)
