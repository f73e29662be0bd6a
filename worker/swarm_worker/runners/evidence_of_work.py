"""What a session must show before it counts as work, whatever its exit code and its envelope say.

Its one rule: sessions in which no model was ever asked, or no tool ever worked, have ended well just so.
"""

from pathlib import Path

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import Failure, FailureClass
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import SessionPlan


class EvidenceOfWork:
    """The gate of one session; made before it starts."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._absent = frozenset(absent_files(plan) if plan.role is Role.BUILDER else ())

    def fault(self, reply: str, *, asked: bool) -> Failure | None:
        """What is missing; `asked` says whether there is a sign that a model was asked."""
        missing = self._missing(reply, asked=asked)
        return agent_error(self._plan, f"no evidence of work: {missing}") if missing else None

    def _missing(self, reply: str, *, asked: bool) -> str:
        if not reply.strip():
            return "the reply is empty"
        if reply.lstrip().startswith("Error:"):
            return f"the reply is {one_line(reply, 500)!r}"
        if not asked:
            return "no model was ever asked (no usage was reported)"
        if self._plan.role is Role.BUILDER and (absent := self._never_there()):
            return f"declared but not there: {', '.join(absent)}"
        return ""

    def _never_there(self) -> list[str]:
        """A file that was there before and is not now was removed, and that is work too.

        That the others changed is not asked: a retry may find them done, and checks say what is in them.
        """
        return [name for name in absent_files(self._plan) if name in self._absent]


def agent_error(plan: SessionPlan, text: str) -> Failure:
    """The agent's own failure."""
    return Failure(FailureClass.AGENT_ERROR, f"the {plan.role} gave no result: {text}")


def absent_files(plan: SessionPlan) -> list[str]:
    """The declared files that are not in the project."""
    root = plan.project_root.resolve()
    return [name for name in plan.task.files if not _is_inside(root / name, root)]


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # not there, a loop of links, or no path at all
        return False
