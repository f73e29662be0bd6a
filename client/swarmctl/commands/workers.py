"""`swarmctl workers`."""

from amplifier_swarm.documents.workers import workers_document
from amplifier_swarm.v1.operator_service_pb2 import ListWorkersRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.render.workers import workers_blocks


def run(ctl: CommandContext) -> None:
    workers = ctl.stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
    ctl.printer.show(workers, workers_document, workers_blocks)
