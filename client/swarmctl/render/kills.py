"""The results of kills."""

from collections.abc import Iterator, Sequence

from amplifier_swarm.documents.receipts import receipt_of
from amplifier_swarm.v1.operator_service_pb2 import GetTaskResponse
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.render.blocks import Block, Blocks, prose
from swarmctl.render.show import receipt_blocks
from swarmctl.render.tasks import changed_blocks


def killed_blocks(answers: Sequence[GetTaskResponse]) -> Blocks:
    """Returns the tasks, and how each was ended."""
    return [block for answer in answers for block in _task_blocks(answer)]


def _task_blocks(answer: GetTaskResponse) -> Iterator[Block]:
    yield from changed_blocks([answer.task])
    receipt = receipt_of(answer)
    if receipt is not None:
        yield from receipt_blocks(receipt)
    elif answer.task.status == TaskStatus.TASK_STATUS_KILLING:
        yield prose("no receipt yet")
    elif answer.attempts and answer.attempts[-1].late_results:
        yield prose("no receipt: the session had ended by itself; what it came to is in the archive")
    elif answer.task.attempt:
        yield prose("no receipt: no session was running, or its worker is lost and its lease has ended")
    else:
        yield prose("it had not begun")


def survivors(answers: Sequence[GetTaskResponse]) -> list[str]:
    """Returns the tasks with processes that outlived the kill."""
    return [
        answer.task.task_id
        for answer in answers
        for receipt in [receipt_of(answer)]
        if receipt is not None and receipt.survivors
    ]


def survivors_hint(tasks: Sequence[str]) -> str:
    """Returns what to do about processes that outlived the kills of these tasks."""
    if len(tasks) == 1:
        return f"`swarmctl show {tasks[0]}` names the worker; end them on its host"
    return "`swarmctl show TASK` names the worker of each; end them on their hosts"
