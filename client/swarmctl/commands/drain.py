"""`swarmctl drain`."""

from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.documents.workers import workers_document
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import DrainWorkerRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.completion import complete_worker_names
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.workers import workers_blocks


def run(
    ctl: CommandContext,
    worker: Annotated[
        str, typer.Argument(metavar="[WORKER]", help="Its name.", autocompletion=complete_worker_names)
    ] = "",
    *,
    everyone: Annotated[bool, typer.Option("--all", help="Every connected worker.")] = False,
    deadline: Annotated[
        float | None,
        typer.Option(
            metavar="S", min=0, max=1e9, help="Kill tasks that still run after S seconds; else wait for them."
        ),
    ] = None,
) -> None:
    if bool(worker) == everyone:
        raise ProgramExit(
            ExitCode.USAGE, "give one worker, or --all", hint="`swarmctl workers` shows the names"
        )
    request = DrainWorkerRequest(worker=worker, all=everyone)
    if deadline is not None:
        request.deadline.CopyFrom(_duration(deadline))
    workers = ctl.stub.DrainWorker(request, timeout=DEADLINE_S).workers
    ctl.printer.show(workers, workers_document, workers_blocks)
    if not workers:
        print_err("swarmctl: no worker is connected")


def _duration(length_s: float) -> Duration:
    made = Duration()
    made.FromMilliseconds(round(length_s * 1000))
    return made
