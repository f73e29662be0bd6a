"""`swarmctl slurm submit`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.documents import Document
from amplifier_swarm.proxy import is_loopback_host
from amplifier_swarm.state_paths import LOGS, WORKER_TOKEN, ProjectState, make_private_folder, project_state
from swarmctl.cli.arguments import ProjectRoot
from swarmctl.cli.context import CommandContext
from swarmctl.cli.paths import expanded
from swarmctl.cli.worker_flags import WorkerFlags
from swarmctl.console import print_err
from swarmctl.programs import installed
from swarmctl.render.blocks import Blocks, cell, facts
from swarmctl.run.worker_token import ensure_worker_token
from swarmctl.slurm.job import WorkerArray
from swarmctl.slurm.job import submit as submit_script


@dataclass(frozen=True, slots=True)
class ArrayOptions:
    """The options of a job array, as fields of the same names."""

    partition: Annotated[
        str, typer.Option(metavar="NAME", help="Slurm's partition; each worker gets it as a label.")
    ] = ""
    time: Annotated[
        str, typer.Option(metavar="LIMIT", help="The time limit of a worker, as `sbatch --time` reads it.")
    ] = ""
    drain: Annotated[
        int, typer.Option(min=1, metavar="S", help="How long before that limit a worker takes no more tasks.")
    ] = 300
    exit_when_idle: Annotated[
        float, typer.Option(min=1, metavar="S", help="How long a worker stays without a task.")
    ] = 300.0
    state_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            callback=expanded,
            help="Where workers keep their state: a folder whose locks hold between nodes; else the node's /tmp.",
        ),
    ] = None
    worker_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=expanded, help="The workers' token; else one is made."),
    ] = None
    sbatch: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="One more option of sbatch, such as --gres=gpu:1; repeatable."),
    ] = None


_NO_OPTIONS: Final = ArrayOptions()
_NO_FLAGS: Final = WorkerFlags()


def submit(
    ctl: CommandContext,
    *,
    workers: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="How many workers.")],
    options: ArrayOptions = _NO_OPTIONS,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print the job script, and submit nothing.")
    ] = False,
    project_root: ProjectRoot = Path(),
    flags: WorkerFlags = _NO_FLAGS,
) -> None:
    """Submit a job array in which each element is a worker.

    A worker leaves when it is idle. Before its time limit it drains; scancel ends its sessions and frees their tasks.
    """
    state = project_state(project_root)
    array = _array(ctl, state, options, workers=workers, flags=flags)
    script = array.script()
    if only_print:
        sys.stdout.write(script)
        return
    if is_loopback_host(ctl.server.rpartition(":")[0]):
        print_err(f"swarmctl: {ctl.server} is this machine alone: workers on other nodes can't reach it")
    make_private_folder(array.log.parent)
    if options.worker_token_file is None:
        ensure_worker_token(ctl.stub, _token_file(state, options))
    job = submit_script(script)

    def document(_: object) -> Document:
        return {"job": job, "workers": workers, "log": str(array.log)}

    def blocks(_: object) -> Blocks:
        return [facts(("job", cell(job)), ("workers", cell(str(workers))), ("log", cell(str(array.log))))]

    ctl.printer.show(None, document, blocks)


def _array(
    ctl: CommandContext, state: ProjectState, options: ArrayOptions, *, workers: int, flags: WorkerFlags
) -> WorkerArray:
    return WorkerArray(
        workers=workers,
        argv=(*installed().worker, *_worker_argv(ctl, state, options), *flags.argv()),
        log=state.folder / LOGS / "slurm-%A_%a.log",
        partition=options.partition,
        time=options.time,
        drain_s=options.drain,
        state_dir=options.state_dir.absolute() if options.state_dir else None,
        options=options.sbatch or (),
    )


def _worker_argv(ctl: CommandContext, state: ProjectState, options: ArrayOptions) -> Iterator[str]:
    yield from ("--server", ctl.server, "--token-file", str(_token_file(state, options)))
    for flag, file in (
        ("--tls-ca", ctl.tls_ca),
        ("--tls-cert", ctl.options.tls_cert),
        ("--tls-key", ctl.options.tls_key),
    ):
        if file is not None:
            yield from (flag, str(file.absolute()))
    if ctl.options.tls_ca_fingerprint:
        yield from ("--tls-ca-fingerprint", ctl.options.tls_ca_fingerprint)
    yield from ("--project-root", str(state.project), "--exit-when-idle", f"{options.exit_when_idle:g}")


def _token_file(state: ProjectState, options: ArrayOptions) -> Path:
    return (options.worker_token_file or state.folder / WORKER_TOKEN).absolute()


COMMANDS = {"submit": submit}
