"""`swarmctl slurm submit`."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from amplifier_swarm.documents import Document
from amplifier_swarm.state_paths import LOGS, WORKER_TOKEN, make_private_folder, project_state
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

_NO_FLAGS: Final = WorkerFlags()


def submit(
    ctl: CommandContext,
    *,
    workers: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="How many workers.")],
    partition: Annotated[
        str, typer.Option(metavar="NAME", help="Slurm's partition; each worker gets it as a label.")
    ] = "",
    time: Annotated[
        str, typer.Option(metavar="LIMIT", help="The time limit of a worker, as `sbatch --time` reads it.")
    ] = "",
    drain: Annotated[
        int, typer.Option(min=1, metavar="S", help="How long before that limit a worker takes no more tasks.")
    ] = 300,
    exit_when_idle: Annotated[
        float, typer.Option(min=1, metavar="S", help="How long a worker stays without a task.")
    ] = 300.0,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            callback=expanded,
            help="Where workers keep their state: a folder whose locks hold between nodes; else the node's /tmp.",
        ),
    ] = None,
    worker_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=expanded, help="The workers' token; else one is made."),
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="One more option of sbatch, such as --gres=gpu:1; repeatable."),
    ] = None,
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
    token = worker_token_file or state.folder / WORKER_TOKEN
    log = state.folder / LOGS / "slurm-%A_%a.log"
    argv = [*installed().worker, "--server", ctl.server, "--token-file", str(token.absolute())]
    argv += ["--tls-ca", str(ctl.options.tls_ca.absolute())] if ctl.options.tls_ca else []
    argv += ["--project-root", str(state.project), "--exit-when-idle", f"{exit_when_idle:g}", *flags.argv()]
    array = WorkerArray(
        workers=workers,
        argv=argv,
        log=log,
        partition=partition,
        time=time,
        drain_s=drain,
        state_dir=state_dir.absolute() if state_dir else None,
        options=sbatch or (),
    )
    script = array.script()
    if only_print:
        sys.stdout.write(script)
        return
    if ctl.server.startswith(("127.", "localhost:", "[::1]")):
        print_err(f"swarmctl: {ctl.server} is this machine alone: workers on other nodes can't reach it")
    make_private_folder(log.parent)
    if worker_token_file is None:
        ensure_worker_token(ctl.stub, token)
    job = submit_script(script)

    def document(_: object) -> Document:
        return {"job": job, "workers": workers, "log": str(log)}

    def blocks(_: object) -> Blocks:
        return [facts(("job", cell(job)), ("workers", cell(str(workers))), ("log", cell(str(log))))]

    ctl.printer.show(None, document, blocks)


COMMANDS = {"submit": submit}
