"""Values that are no messages of the contract: a killed task, and a line of a log."""

from dataclasses import dataclass
from datetime import datetime

from amplifier_swarm_client.types import KillReceipt, LogKind, SessionRole, Task


@dataclass(frozen=True, kw_only=True)
class KilledTask:
    """A task that was killed, and how its processes were ended."""

    task: Task
    #: The receipt of its worker. None if no process was running, or the worker has not reported.
    receipt: KillReceipt | None


@dataclass(frozen=True, kw_only=True)
class TaskLogLine:
    """An entry of the log of a session."""

    session_id: str
    role: SessionRole
    attempt: int
    #: Grows over all sessions of the task. `logs(after_cursor=…)` goes on after it.
    cursor: int
    logged_at: datetime | None
    kind: LogKind
    #: What was written. It comes from a session: never trust it.
    text: str
