"""The life cycle of a task. Invariant: every change of a status is a row of the table TRANSITIONS.

The functions are pure: a refused transition raises and changes nothing. `diagram()` draws the diagram in
docs/architecture.md from the table.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from swarmd.domain.errors import InvalidStatus


class TaskStatus(StrEnum):
    """The statuses of a task, named as in task files."""

    BLOCKED = "blocked"  # waits for its dependencies
    NOT_STARTED = "not_started"  # may be claimed, once its backoff has passed
    CLAIMED = "claimed"  # held under a lease; no session has its go, so none exists
    IN_PROGRESS = "in_progress"  # held under a lease; a session has its go
    KILLING = "killing"  # ordered to end; its end is not yet proven
    COMPLETED = "completed"  # final, unless its work was kept and is to land
    FAILED = "failed"  # final unless retried or a late result is accepted
    KILLED = "killed"  # final unless retried or a late result is accepted
    SKIPPED = "skipped"  # a dependency can't complete; revived when the dependency is retried
    HELD = "held"  # waits for a person, who answers or lets it start


class Transition(StrEnum):
    """The events that change the status of a task."""

    UNBLOCK = "unblock"  # the last unmet dependency was met
    BLOCK = "block"  # a dependency was added, or is unmet again; ends the wait for an approval of the start
    SKIP = "skip"  # a dependency can no longer complete
    REVIVE = "revive"  # that dependency was retried
    CLAIM = "claim"  # a worker holds it
    RELEASE = "release"  # the claim ended before any go: free of charge
    GO = "go"  # a session may start
    COMPLETE = "complete"  # built, and approved if validation is on; of a claim: found on the target
    RETRY = "retry"  # the attempt did not succeed, and the budget allows another
    GIVE_UP = "give_up"  # no further attempt: the budget is used up, or another would fail alike
    HOLD = "hold"  # only a person can settle what comes next; uses up no retry; of FAILED: by a late result
    UNHOLD = "unhold"  # a person has settled it, and the task may go on
    APPROVE = "approve"  # a person approves accepted work, which thereby counts
    KILL = "kill"  # an operator or an emergency stop ends it
    FINISH_KILL = "finish_kill"  # the kill is over; the receipt names any survivors
    REOPEN = "reopen"  # an operator retries it, or lands the work that a completed attempt has kept
    WITHDRAW = "withdraw"  # the work to land is gone from its repository: the task is completed as before
    ACCEPT = "accept"  # a late result counts: nothing has started since, or an operator accepts it


_S, _T = TaskStatus, Transition
TRANSITIONS: Final = MappingProxyType(
    {
        _S.BLOCKED: {
            _T.UNBLOCK: _S.NOT_STARTED,
            _T.SKIP: _S.SKIPPED,
            _T.HOLD: _S.HELD,
            _T.KILL: _S.KILLED,
            _T.ACCEPT: _S.COMPLETED,
        },
        _S.NOT_STARTED: {
            _T.CLAIM: _S.CLAIMED,
            _T.BLOCK: _S.BLOCKED,
            _T.HOLD: _S.HELD,
            _T.KILL: _S.KILLED,
            _T.ACCEPT: _S.COMPLETED,
        },
        _S.CLAIMED: {
            _T.RELEASE: _S.NOT_STARTED,
            _T.GO: _S.IN_PROGRESS,
            _T.COMPLETE: _S.COMPLETED,
            _T.WITHDRAW: _S.COMPLETED,
            _T.RETRY: _S.NOT_STARTED,
            _T.GIVE_UP: _S.FAILED,
            _T.HOLD: _S.HELD,
            _T.KILL: _S.KILLED,
        },
        _S.IN_PROGRESS: {
            _T.GO: _S.IN_PROGRESS,
            _T.COMPLETE: _S.COMPLETED,
            _T.RETRY: _S.NOT_STARTED,
            _T.GIVE_UP: _S.FAILED,
            _T.HOLD: _S.HELD,
            _T.KILL: _S.KILLING,
        },
        _S.KILLING: {_T.KILL: _S.KILLING, _T.FINISH_KILL: _S.KILLED},
        _S.HELD: {
            _T.UNHOLD: _S.BLOCKED,
            _T.BLOCK: _S.BLOCKED,
            _T.REOPEN: _S.BLOCKED,
            _T.KILL: _S.KILLED,
            _T.APPROVE: _S.COMPLETED,
            _T.ACCEPT: _S.COMPLETED,
        },
        _S.COMPLETED: {_T.REOPEN: _S.BLOCKED},
        _S.FAILED: {_T.REOPEN: _S.BLOCKED, _T.HOLD: _S.HELD, _T.ACCEPT: _S.COMPLETED},
        _S.KILLED: {_T.KILL: _S.KILLED, _T.REOPEN: _S.BLOCKED, _T.ACCEPT: _S.COMPLETED},
        _S.SKIPPED: {_T.REVIVE: _S.BLOCKED, _T.KILL: _S.KILLED},
    }
)

# A dependency in one of these can't complete unless an operator steps in.
DEAD: Final = frozenset({_S.FAILED, _S.KILLED, _S.SKIPPED})
FINAL: Final = DEAD | {_S.COMPLETED}
# A worker has a lease on the task; a HELD one has none.
LEASED: Final = frozenset({_S.CLAIMED, _S.IN_PROGRESS, _S.KILLING})
# The swarm is not done while one task has such a status. A HELD task does not count, since only a person can move it.
# Nor does a BLOCKED one: a task that it waits for has such a status too, or nothing unblocks it without a person.
OPEN: Final = LEASED | {_S.NOT_STARTED}


def advance(task_id: str, status: TaskStatus, transition: Transition) -> TaskStatus:
    """Returns the status after the transition; raises InvalidStatus if the table has no such row."""
    try:
        return TRANSITIONS[status][transition]
    except KeyError:
        raise InvalidStatus(task_id, status, doing=transition) from None


def diagram() -> str:
    """Returns the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> blocked"]
    for status, row in TRANSITIONS.items():
        targets: dict[TaskStatus, list[str]] = {}
        for transition, target in row.items():
            targets.setdefault(target, []).append(transition)
        lines += [f"    {status} --> {target}: {', '.join(names)}" for target, names in targets.items()]
    return "\n".join(lines) + "\n"
