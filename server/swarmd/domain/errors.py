"""The refusals of the server, one class for each reason of the wire contract.

    SwarmError
    ├── TaskNotFound, TaskAmbiguous, WorkerNotFound, SessionNotFound, TokenNotFound,
    │   ResultNotFound, ChangeNotFound, ArtifactNotFound                              unknown names
    ├── InvalidTasks, InvalidRequest                                                  bad requests
    ├── InvalidStatus, HoldRefused, TasksActive, WorkerConnected, WorkerNameTaken,
    │   RehearsalRefused, StreamReplaced                                              present state
    ├── ServerStopping, StorageFull, StorageFailed, ArtifactRefused                   the server itself
    ├── those of caller_errors.py: tokens, roles, logins                              callers
    └── DashboardOff                                                                  missing parts

The message is for people and says what to do; `metadata` has its values, for programs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldFault:
    """A fault of a request: its place, such as `tasks[3].dependencies[0]`, and a message."""

    place: str
    message: str


class SwarmError(Exception):
    """The request is refused, and nothing is changed."""

    reason: ClassVar[str]

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.faults: Sequence[FieldFault] = ()


class TaskNotFound(SwarmError):
    """No task has that id, and none begins with it."""

    reason = "TASK_NOT_FOUND"

    def __init__(self, task_id: str, *, similar: str = "") -> None:
        hint = f"; did you mean {similar!r}?" if similar else ""
        super().__init__(f"no task {task_id!r}{hint}", {"taskId": task_id})


class TaskAmbiguous(SwarmError):
    """Several task ids begin with that text."""

    reason = "TASK_AMBIGUOUS"

    def __init__(self, prefix: str, matches: Sequence[str]) -> None:
        shown = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
        super().__init__(
            f"{prefix!r} fits several tasks: {shown}; give more of the id",
            {"taskId": prefix, "matches": ",".join(matches)},
        )


class WorkerNotFound(SwarmError):
    """No worker has that name."""

    reason = "WORKER_NOT_FOUND"

    def __init__(self, worker: str) -> None:
        super().__init__(f"no worker {worker!r} is connected; see `swarmctl workers`", {"worker": worker})


class WorkerConnected(SwarmError):
    """The worker is heard, so its machine is not gone."""

    reason = "WORKER_CONNECTED"

    def __init__(self, worker: str) -> None:
        text = f"worker {worker!r} is connected, so it is not gone; drain it, or end its process and forget it then"
        super().__init__(text, {"worker": worker})


class SessionNotFound(SwarmError):
    """The task has no such session, or none yet."""

    reason = "SESSION_NOT_FOUND"

    def __init__(self, task_id: str, what: str) -> None:
        super().__init__(f"task {task_id!r} has no {what} yet", {"taskId": task_id})


class ChangeNotFound(SwarmError):
    """The attempt has reported no change of files."""

    reason = "CHANGE_NOT_FOUND"

    def __init__(self, task_id: str, attempt: int) -> None:
        which = f"attempt {attempt}" if attempt else "no attempt"
        left = "left no change" if attempt else "left a change"
        text = f"{which} of task {task_id!r} {left}: only an ended attempt in a clone does"
        super().__init__(text, {"taskId": task_id, "attempt": str(attempt)})


class ArtifactNotFound(SwarmError):
    """The task has no artifact of that name, or its content is lost."""

    reason = "ARTIFACT_NOT_FOUND"

    def __init__(self, task_id: str, name: str, problem: str = "is none of its artifacts") -> None:
        text = f"task {task_id!r}: {name[:100]!r} {problem}; see `swarmctl artifacts {task_id}`"
        super().__init__(text, {"taskId": task_id, "name": name})


class ArtifactRefused(SwarmError):
    """The artifact is larger than the limits of the server allow."""

    reason = "ARTIFACT_REFUSED"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name[:100]!r} is not stored: {problem}", {"name": name})


class ResultNotFound(SwarmError):
    """The archive has no completed result of that attempt."""

    reason = "RESULT_NOT_FOUND"

    def __init__(self, task_id: str, number: int) -> None:
        super().__init__(
            f"attempt {number} of task {task_id!r} left no completed result in the archive; see `swarmctl show`",
            {"taskId": task_id, "attempt": str(number)},
        )


class TokenNotFound(SwarmError):
    """No token has that id."""

    reason = "TOKEN_NOT_FOUND"

    def __init__(self, token_id: str) -> None:
        super().__init__(f"no token {token_id!r}; see `swarmctl token list`", {"tokenId": token_id})


class InvalidTasks(SwarmError):
    """The tasks have faults; `faults` lists them."""

    reason = "INVALID_TASKS"

    def __init__(self, faults: Sequence[FieldFault], *, total: int | None = None) -> None:
        count = len(faults) if total is None else total
        plural = "" if count == 1 else "s"
        super().__init__(f"{count} fault{plural}, nothing was stored", {"count": str(count)})
        self.faults = tuple(faults)


class InvalidRequest(SwarmError):
    """A field is missing or out of range."""

    reason = "INVALID_REQUEST"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", {"field": field})
        self.problem = problem


class InvalidStatus(SwarmError):
    """The status of the task does not allow the operation."""

    reason = "INVALID_STATUS"

    def __init__(self, task_id: str, status: str, *, doing: str, hint: str = "") -> None:
        super().__init__(
            f"can't {doing} task {task_id!r}: it is {status}{'; ' if hint else ''}{hint}",
            {"taskId": task_id, "status": status},
        )


class HoldRefused(SwarmError):
    """The task is not held, or its hold is not one that the call can end."""

    reason = "HOLD_REFUSED"

    def __init__(self, task_id: str, problem: str) -> None:
        super().__init__(f"task {task_id!r} {problem}", {"taskId": task_id})


class TasksActive(SwarmError):
    """Workers hold some of the tasks, so they can't be replaced."""

    reason = "TASKS_ACTIVE"

    def __init__(self, task_id: str, status: str, count: int, *, doing: str) -> None:
        others = f" and {count - 1} more are being worked on" if count > 1 else ""
        super().__init__(
            f"can't {doing}: task {task_id!r} is {status}{others}; wait for them or kill them first",
            {"taskId": task_id, "count": str(count)},
        )


class BudgetNotFound(SwarmError):
    """There is no budget of that kind and name."""

    reason = "BUDGET_NOT_FOUND"

    def __init__(self, kind: str, name: str, others: Sequence[str]) -> None:
        known = f"; name one of {', '.join(others[:10])}" if others else ""
        hint = {
            "plan": "`swarmctl import FILE --max-cost DOLLARS` sets one",
            "day": "`swarmd --day-budget DOLLARS` sets one",
        }.get(kind, "`swarmd --account-budget NAME=DOLLARS` sets one")
        named = f" named {name[:100]!r}" if name else ""
        super().__init__(
            f"there is no budget of {'an' if kind == 'account' else 'a'} {kind}{named}{known or '; ' + hint}",
            {"kind": kind, "name": name[:100]},
        )


class WorkerNameTaken(SwarmError):
    """Another process with that name is connected, or held leases at its last heartbeat."""

    reason = "WORKER_NAME_TAKEN"

    def __init__(self, worker: str, host: str, pid: int) -> None:
        super().__init__(
            f"a worker named {worker!r} is known already (host {host}, pid {pid}); give this one another --name",
            {"worker": worker, "host": host, "pid": str(pid)},
        )


class RehearsalRefused(SwarmError):
    """A worker that only rehearses wants to join a swarm that has done real work."""

    reason = "REHEARSAL_REFUSED"

    def __init__(self, worker: str, runner: str) -> None:
        super().__init__(
            f"the runner {runner} of worker {worker!r} only rehearses, and this swarm has done real work; "
            "pass another --runner, or --allow-rehearsal if the rehearsal is meant to count",
            {"worker": worker, "runner": runner},
        )


class StreamReplaced(SwarmError):
    """A newer stream of the same worker took over."""

    reason = "STREAM_REPLACED"

    def __init__(self, worker: str) -> None:
        super().__init__(f"a newer stream of worker {worker!r} took over", {"worker": worker})


class ServerStopping(SwarmError):
    """The server is going down; sessions go on and results are kept at the workers."""

    reason = "SERVER_STOPPING"

    def __init__(self) -> None:
        super().__init__("the server is going down")


class TooManyStreams(SwarmError):
    """The token, or all callers without one, have too many calls of this method open."""

    reason = "TOO_MANY_STREAMS"

    def __init__(self, method: str, limit: int) -> None:
        super().__init__(
            f"{limit} calls of {method} are open already; end one of them, then try again", {"method": method}
        )


class StorageFull(SwarmError):
    """The disk is full or the database can't be written; nothing was changed."""

    reason = "STORAGE_FULL"

    def __init__(self, detail: str, *, what: str = "the database") -> None:
        super().__init__(f"{what} can't be written: {detail}; nothing was changed")


class StorageFailed(SwarmError):
    """A write failed and its outcome is unknown, so the server is stopping; or a read failed."""

    reason = "STORAGE_FAILED"

    def __init__(self, detail: str, *, reading: bool = False) -> None:
        super().__init__(
            f"reading the database failed: {detail}; check the disk, or restore a backup with `swarmd --restore FILE`"
            if reading
            else f"writing the database failed: {detail}; the outcome is unknown, ask again"
        )


class DashboardOff(SwarmError):
    """The server serves no dashboard."""

    reason = "DASHBOARD_OFF"

    def __init__(self) -> None:
        super().__init__("this server serves no dashboard; start swarmd with --dashboard HOST:PORT")
