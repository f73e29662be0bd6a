"""The memory of a worker for faults that its builders have in common.

Programs of runners without a trial need not report usage or a cause. So the same last words of several tasks in a row
are the sign of a broken set-up.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.runners.provider_errors import RESUME_HINT

# Two tasks may fail alike by chance, and a pause stops all work of the worker.
TASKS: Final = 3
# A crash does not count: whatever kills one session may kill all that run beside it.
_FAILURES: Final = (FailureClass.AGENT_ERROR,)
# Paths, ids and numbers differ from task to task.
_VARYING: Final = re.compile(r"\S*/\S*|\b(?=\w*\d)\w[\w.:-]*")


@dataclass(slots=True)
class RepeatedFaults:
    """The latest fault without a sign of work, and the tasks that met it in a row."""

    _fault: str = ""
    _tasks: set[str] = field(default_factory=set)

    def judge(self, task_id: str, failure: Failure | None, *, worked: bool) -> Failure | None:
        """Records the end of a builder and returns its failure, which is BAD_CONFIG from the third task on.

        `worked` is true if there is a sign of work. A success or a sign of work forgets the fault: the set-up works.
        """
        if failure is None or worked:
            self._fault = ""
            self._tasks.clear()
            return failure
        if failure.kind not in _FAILURES:
            return failure
        text = re.sub(rf"(?<!\w){re.escape(task_id)}(?!\w)", "…", failure.error)
        fault = _VARYING.sub("…", text)
        if fault != self._fault:
            self._fault = fault
            self._tasks.clear()
        self._tasks.add(task_id)
        if len(self._tasks) < TASKS:
            return failure
        error = (
            f"{failure.error}; {len(self._tasks)} tasks in a row ended like this without a sign of work; "
            f"correct the command, {RESUME_HINT}"
        )
        return Failure(FailureClass.BAD_CONFIG, error)
