"""`swarmctl show`."""

from amplifier_swarm.documents.attempts import show_document
from amplifier_swarm.v1.operator_service_pb2 import GetTaskRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.show import show_blocks


def run(ctl: CommandContext, task: TaskId) -> None:
    answer = ctl.reading_stub.GetTask(GetTaskRequest(task_id=task), timeout=DEADLINE_S)
    ctl.printer.show(answer, show_document, show_blocks)
