"""The flags that `run` and `doctor` pass on to swarm-worker.

Invariant: a flag that is not given is not passed on; the worker has its own defaults and variables.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Final

import typer

from amplifier_swarm.vocabulary import ContainmentName, RunnerName, SandboxName, WorkspaceName

# The heading of these flags on help pages.
PANEL: Final = "What goes on to each swarm-worker"


def _option(text: str, metavar: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(help=text, metavar=metavar, rich_help_panel=PANEL)
    return made


def _amount(text: str, metavar: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(help=text, metavar=metavar, min=0, rich_help_panel=PANEL)
    return made


_seconds = partial(_amount, metavar="S")
_days = partial(_amount, metavar="DAYS")
_gib = partial(_amount, metavar="GIB")


@dataclass(frozen=True, slots=True)
class WorkerFlags:
    """The flags as fields of the same names."""

    slots: Annotated[int | None, _option("Tasks at once in one worker.", "N")] = None
    workspace: Annotated[
        WorkspaceName | None, _option("Where a task's sessions work: the project, or a clone.", "KIND")
    ] = None
    repo: Annotated[str | None, _option("The repository to clone, in place of the project.", "URL")] = None
    target: Annotated[str | None, _option("The branch on which work lands.", "BRANCH")] = None
    session_push: Annotated[
        bool,
        typer.Option("--session-push", help="Let sessions push from their clones.", rich_help_panel=PANEL),
    ] = False
    keep_failed: Annotated[float | None, _days("How long the clone of a task that did not land is kept.")] = (
        None
    )
    min_free_disk: Annotated[float | None, _gib("What must be free on the disk of the clones.")] = None
    runner: Annotated[RunnerName | None, _option("What runs the sessions.", "RUNNER")] = None
    builder_agent: Annotated[str | None, _option("The builder's persona.", "NAME")] = None
    validator_agent: Annotated[str | None, _option("The validator's persona.", "NAME")] = None
    builder_config: Annotated[
        str | None, _option("How amplifier-agent is configured for builders.", "FILE")
    ] = None
    validator_config: Annotated[
        str | None, _option("How amplifier-agent is configured for validators.", "FILE")
    ] = None
    agent_python: Annotated[
        str | None, _option("The Python with the library of amplifier-agent.", "PATH")
    ] = None
    bundle: Annotated[str | None, _option("The bundle that amplifier runs.", "NAME")] = None
    validator_bundle: Annotated[
        str | None, _option("The bundle that amplifier runs as validator.", "NAME")
    ] = None
    allow_rehearsal: Annotated[
        bool,
        typer.Option(
            "--allow-rehearsal",
            help="Let the embedded runner rehearse in a swarm that has done real work.",
            rich_help_panel=PANEL,
        ),
    ] = False
    no_validation: Annotated[
        bool, typer.Option("--no-validation", help="Let no validator judge.", rich_help_panel=PANEL)
    ] = False
    builder_command: Annotated[str | None, _option("The builder of the command runner.", "ARGV")] = None
    validator_command: Annotated[str | None, _option("The validator of the command runner.", "ARGV")] = None
    builder_timeout: Annotated[float | None, _seconds("How long a builder may run.")] = None
    validator_timeout: Annotated[float | None, _seconds("How long a validator may run.")] = None
    stall_timeout: Annotated[float | None, _seconds("How long a session may be silent.")] = None
    check_timeout: Annotated[float | None, _seconds("How long one check may run.")] = None
    kill_grace: Annotated[float | None, _seconds("From SIGTERM to SIGKILL.")] = None
    label: Annotated[list[str] | None, _option("A label of the workers; repeatable.", "K=V")] = None
    pass_env: Annotated[
        list[str] | None, _option("A variable that sessions get too; repeatable.", "NAME")
    ] = None
    containment: Annotated[
        ContainmentName | None, _option("What holds a session's processes together.", "LEVEL")
    ] = None
    sandbox: Annotated[
        SandboxName | None, _option("The sandbox of sessions: on demand, for none, for all.", "KIND")
    ] = None
    sandbox_bind: Annotated[
        list[str] | None, _option("What sandboxed sessions see too; repeatable.", "PATH[:rw]")
    ] = None
    sandbox_image: Annotated[str | None, _option("The image of --sandbox container.", "IMAGE")] = None
    sandbox_runtime: Annotated[str | None, _option("How podman is called for it.", "ARGV")] = None
    limit_memory: Annotated[str | None, _option("Memory of each session, such as 4G.", "SIZE")] = None
    limit_cpus: Annotated[float | None, _amount("Processors of each session.", "N")] = None
    limit_pids: Annotated[int | None, _amount("Processes of each session.", "N")] = None
    session_umask: Annotated[str | None, _option("The umask of sessions, in octal.", "MASK")] = None

    def argv(self) -> Iterator[str]:
        """Yields the arguments of the flags that were given."""
        for field in fields(self):
            value = getattr(self, field.name)
            flag = f"--{field.name.replace('_', '-')}"
            if value is True:
                yield flag
            elif isinstance(value, list):
                yield from (part for item in value for part in (flag, str(item)))
            elif isinstance(value, float) and value.is_integer():
                yield from (flag, str(int(value)))
            elif value is not None and value is not False:
                yield from (flag, str(value))
