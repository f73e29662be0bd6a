"""`swarmctl explain`."""

from amplifier_swarm.documents.explain import explain_document
from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskRequest
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.arguments import TaskId
from swarmctl.cli.context import CommandContext
from swarmctl.render.show import explain_blocks


def run(ctl: CommandContext, task: TaskId) -> None:
    """Uses the same rules as claims do: open dependencies, the present holder, a backoff, a pause or stop
    in force, no worker that fits.
    """
    answer = ctl.reading_stub.ExplainTask(ExplainTaskRequest(task_id=task), timeout=DEADLINE_S)
    ctl.printer.show(answer, explain_document, explain_blocks)
