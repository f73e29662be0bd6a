"""`swarmctl blocked`."""

from amplifier_swarm.documents.tasks import list_document
from amplifier_swarm.v1.task_pb2 import TaskStatus
from swarmctl.api.paging import TaskList
from swarmctl.cli.context import CommandContext
from swarmctl.render.tasks import blocked_blocks


def run(ctl: CommandContext) -> None:
    tasks = TaskList(ctl.reading_stub, statuses=[TaskStatus.TASK_STATUS_BLOCKED])
    ctl.printer.show(tasks.first(0), list_document, blocked_blocks)
