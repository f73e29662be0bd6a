"""What the shell offers for a task's or a worker's name: those that the server knows.

The rule: quick and silent. A shell that hangs or prints errors while one types is worse than no offer.
"""

from typing import Final

import typer

from swarmctl.api.timeouts import COMPLETION_DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.cli.options import of_completion

_OFFERS: Final = 100


def task_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids that begin like this, with their names."""
    # Late: completing a verb's name needs none of it.
    from amplifier_swarm.v1.operator_service_pb2 import ListTasksRequest  # noqa: PLC0415

    try:
        with CommandContext(of_completion(context)) as ctl:
            request = ListTasksRequest(search=incomplete, page_size=_OFFERS)
            answer = ctl.stub.ListTasks(request, timeout=COMPLETION_DEADLINE_S)
            return [(t.task_id, t.name) for t in answer.tasks if t.task_id.startswith(incomplete)]
    except Exception:  # noqa: BLE001  # whatever it is, the one who types can't do anything about it here
        return []


def worker_names(context: typer.Context, incomplete: str) -> list[str]:
    """Names of workers that begin like this."""
    from amplifier_swarm.v1.operator_service_pb2 import ListWorkersRequest  # noqa: PLC0415  # as above

    try:
        with CommandContext(of_completion(context)) as ctl:
            answer = ctl.stub.ListWorkers(ListWorkersRequest(), timeout=COMPLETION_DEADLINE_S)
            return [worker.name for worker in answer.workers if worker.name.startswith(incomplete)]
    except Exception:  # noqa: BLE001  # as above
        return []
