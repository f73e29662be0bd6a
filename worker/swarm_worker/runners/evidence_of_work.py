"""The evidence that a session must leave before it counts as work, whatever its exit code and envelope say.

Invariant: exit 0 alone is not evidence. Sessions that never asked a model, or whose tools never ran, exit with 0.
"""

from pathlib import Path

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import SessionPlan


class EvidenceOfWork:
    """The check of one session's evidence. Create it before the session starts: it records which files are absent."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._absent = frozenset(absent_files(plan) if plan.role is Role.BUILDER else ())

    def failure(self, reply: str, *, asked: bool) -> Failure | None:
        """Returns a failure that names the missing evidence; `asked` is true if a model seems to have been asked."""
        missing = self._missing(reply, asked=asked)
        return agent_error(self._plan, f"no evidence of work: {missing}") if missing else None

    def _missing(self, reply: str, *, asked: bool) -> str:
        if not reply.strip():
            return "the reply is empty"
        if reply.lstrip().startswith("Error:"):
            return f"the reply is {one_line(reply, 500)!r}"
        if not asked:
            return "no model was ever asked (no usage was reported)"
        if self._plan.role is Role.BUILDER and (absent := self._never_created()):
            return f"declared but not there: {', '.join(absent)}"
        return ""

    def _never_created(self) -> list[str]:
        """Returns the declared files that were absent before and still are.

        A file that existed before and is gone now was removed, which is work too. Changes of the other files are
        not demanded: a retry may find them done, and checks verify their content.
        """
        return [name for name in absent_files(self._plan) if name in self._absent]


def agent_error(plan: SessionPlan, text: str) -> Failure:
    """Builds the failure of a session that ended without a result."""
    return Failure(FailureClass.AGENT_ERROR, f"the {plan.role} gave no result: {text}")


def absent_files(plan: SessionPlan) -> list[str]:
    """Returns the declared files that are not in the project."""
    root = plan.project_root.resolve()
    return [name for name in plan.task.files if not _is_inside(root / name, root)]


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # absent, a loop of links, or not a valid path
        return False
