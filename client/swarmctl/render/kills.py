"""How kills went."""

from collections.abc import Iterator, Sequence

from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse
from amplifier_swarm.v1.session_pb2 import KillReceipt
from swarmctl.render.attempts import receipt_document
from swarmctl.render.blocks import Block, Blocks, Document, prose
from swarmctl.render.show import receipt_blocks
from swarmctl.render.tasks import changed_blocks, task_document


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


def killed_blocks(answers: Sequence[GetTaskResponse]) -> Blocks:
    """The same for people."""
    return [block for answer in answers for block in _one(answer)]


def _one(answer: GetTaskResponse) -> Iterator[Block]:
    yield from changed_blocks([answer.task])
    receipt = receipt_of(answer)
    if receipt is not None:
        yield from receipt_blocks(receipt)
    elif answer.task.attempt:
        yield prose("no receipt: no session was running, or its worker is lost and its lease has ended")
    else:
        yield prose("it had not begun")


def survivors(answers: Sequence[GetTaskResponse]) -> list[str]:
    """The tasks of which processes outlived the kill."""
    return [
        answer.task.task_id
        for answer in answers
        for receipt in [receipt_of(answer)]
        if receipt is not None and receipt.survivors
    ]
