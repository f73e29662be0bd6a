"""Shell completion of task ids and worker names, from the server.

Invariant: completion is quick and silent. A shell that hangs or prints errors while the user types is worse
than no offer.
"""

from typing import Final

import typer

from swarmctl.api.timeouts import COMPLETION_DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.cli.options import completion_options

_OFFERS: Final = 100


def complete_task_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Returns the task ids that begin with the text, with their names."""
    # Imported here: completing the name of a command does not need it.
    from amplifier_swarm.v1.operator_service_pb2 import ListTasksRequest  # noqa: PLC0415

    try:
        with CommandContext(completion_options(context)) as ctl:
            request = ListTasksRequest(search=incomplete, page_size=_OFFERS)
            answer = ctl.stub.ListTasks(request, timeout=COMPLETION_DEADLINE_S)
            return [(t.task_id, t.name) for t in answer.tasks if t.task_id.startswith(incomplete)]
    except Exception:  # noqa: BLE001  # whatever it is, the one who types can't do anything about it here
        return []


def complete_worker_names(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the worker names that begin with the text."""
    from amplifier_swarm.v1.operator_service_pb2 import ListWorkersRequest  # noqa: PLC0415  # as above

    try:
        with CommandContext(completion_options(context)) as ctl:
            answer = ctl.stub.ListWorkers(ListWorkersRequest(), timeout=COMPLETION_DEADLINE_S)
            return [worker.name for worker in answer.workers if worker.name.startswith(incomplete)]
    except Exception:  # noqa: BLE001  # as above
        return []
