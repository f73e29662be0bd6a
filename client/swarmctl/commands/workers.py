"""`swarmctl workers [forget]`."""

from typing import Annotated

import typer

from amplifier_swarm.documents.workers import forgotten_document, workers_document
from amplifier_swarm.v1.operator_service_pb2 import ForgetWorkerRequest, ListWorkersRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.completion import complete_worker_names
from swarmctl.cli.context import CommandContext
from swarmctl.render.workers import forgotten_blocks, workers_blocks


def run(ctl: CommandContext) -> None:
    workers = ctl.reading_stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
    ctl.printer.show(workers, workers_document, workers_blocks)


def forget(
    ctl: CommandContext,
    worker: Annotated[
        str, typer.Argument(metavar="WORKER", help="Its name.", autocompletion=complete_worker_names)
    ],
) -> None:
    """Free the tasks of a worker whose machine is gone for good.

    You say that nothing of the worker runs any more, and nobody checks it. If that is wrong, its tasks can run twice
    until it ends its sessions by itself. A worker that is connected is refused.
    """
    freed = ctl.stub.ForgetWorker(ForgetWorkerRequest(worker=worker), timeout=DEADLINE_S).task_ids
    ctl.printer.show(freed, forgotten_document, forgotten_blocks)


COMMANDS = {"forget": forget}
