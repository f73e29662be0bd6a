"""How kills went."""

from collections.abc import Sequence

from amplifier_swarm.documents.attempts import receipt_document
from amplifier_swarm.documents.document import Document
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse
from amplifier_swarm.v1.session_pb2 import KillReceipt


def receipt_of(answer: GetTaskResponse) -> KillReceipt | None:
    """The receipt of the attempt that the kill ended, None if none was running or it never came."""
    if not answer.attempts or not answer.attempts[-1].HasField("kill_receipt"):
        return None
    return answer.attempts[-1].kill_receipt


def killed_document(answers: Sequence[GetTaskResponse]) -> Document:
    """The tasks with their receipts."""
    return [
        {**task_document(answer.task), "kill_receipt": receipt and receipt_document(receipt)}
        for answer in answers
        for receipt in [receipt_of(answer)]
    ]
