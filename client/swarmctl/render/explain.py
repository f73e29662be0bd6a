"""Why a task is where it is, for people."""

from amplifier_swarm.v1.operator_service_pb2 import ExplainTaskResponse
from swarmctl.render.blocks import Blocks, prose
from swarmctl.render.tasks import changed_blocks


def explain_blocks(answer: ExplainTaskResponse) -> Blocks:
    """The task and what keeps it."""
    lines = [reason.message for reason in answer.reasons] or ["nothing keeps it: it can start at once"]
    return [*changed_blocks([answer.task]), prose("\n".join(f"- {line}" for line in lines))]
