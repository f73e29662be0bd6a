"""The document of killed tasks."""

from collections.abc import Sequence

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.receipts import receipt_document, receipt_of
from amplifier_swarm.documents.tasks import task_document
from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse


def killed_document(answers: Sequence[GetTaskResponse]) -> Document:
    """Returns the tasks with their kill receipts."""
    return [
        {**task_document(answer.task), "kill_receipt": receipt and receipt_document(receipt)}
        for answer in answers
        for receipt in [receipt_of(answer)]
    ]
