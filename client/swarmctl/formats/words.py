"""The statuses and priorities of other tools, and what they are here."""

import re
from collections.abc import Mapping
from typing import Final

from amplifier_swarm.plan.faults import quoted
from swarmctl.formats.draft import Draft, DraftTask

_DONE: Final = frozenset(
    {"done", "completed", "complete", "closed", "resolved", "finished", "fixed", "merged", "x"}
)
_CANCELLED: Final = frozenset(
    {
        *("cancelled", "canceled", "wontfix", "wontdo", "wontdone", "notplanned", "abandoned", "rejected"),
        *("duplicate", "invalid", "obsolete", "cannotreproduce", "declined", "killed"),
    }
)
_LATER: Final = frozenset({"deferred", "onhold", "paused", "icebox", "someday", "hold"})
_RUNNING: Final = frozenset(
    {"inprogress", "review", "inreview", "active", "started", "doing", "claimed", "hooked"}
)
_PRIORITIES: Final[Mapping[str, str | int]] = {
    **dict.fromkeys(("critical", "highest", "blocker", "urgent", "p0", "immediate"), "critical"),
    **dict.fromkeys(("high", "major", "important", "p1"), "high"),
    **dict.fromkeys(("medium", "normal", "moderate", "p2", "default"), "medium"),
    **dict.fromkeys(("low", "minor", "p3"), "low"),
    **dict.fromkeys(("lowest", "trivial", "backlog", "p4", "none"), 0),
}


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def set_status(draft: Draft, task: DraftTask, word: str) -> None:
    """Sets what the status of another tool means here; the rest begins, which is noted where it loses something."""
    plain = _plain(word)
    if plain in _DONE:
        task.fields["status"] = "completed"
    elif plain in _CANCELLED:
        task.fields["status"] = "killed"
        task.cancelled = True
    elif plain in _LATER:
        task.fields["approve"] = "before-start"
        draft.note(
            task.line,
            f"the status {quoted(word)} becomes approve: before-start",
            "`swarmctl approve` starts it",
        )
    elif plain in _RUNNING:
        draft.note(task.line, f"the status {quoted(word)} is not carried", "the task begins again")


def set_priority(draft: Draft, task: DraftTask, word: str) -> None:
    """Sets what the priority of another tool is here; notes one that is not known."""
    found = _PRIORITIES.get(_plain(word))
    if found is not None:
        task.fields["priority"] = found
    elif word.strip():
        draft.note(task.line, f"the priority {quoted(word)} is not known", "the task has the usual one")


def priority_in(label: str) -> str | int | None:
    """Returns the priority that a label such as `priority/P1` or `priority: high` names; None if it names none."""
    match = re.fullmatch(r"(?:prio(?:rity)?\s*[:/_ -]\s*)?(\w+)", label.strip(), re.IGNORECASE)
    found = _PRIORITIES.get(_plain(match[1])) if match else None
    named = label.lower().startswith("prio") or re.fullmatch(r"[Pp][0-4]", label.strip())
    return found if named else None
