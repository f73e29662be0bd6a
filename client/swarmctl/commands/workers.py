"""`swarmctl workers`."""

from amplifier_swarm.v1.operator_service_pb2 import ListWorkersRequest
from swarmctl.ctl import DEADLINE_S, Ctl
from swarmctl.render.workers import workers_blocks, workers_document


def run(ctl: Ctl) -> None:
    workers = ctl.stub.ListWorkers(ListWorkersRequest(), timeout=DEADLINE_S).workers
    ctl.printer.put(workers, workers_document, workers_blocks)
