"""Errors about the calls of running sessions."""

from swarmd.domain.errors import SwarmError


class SessionOver(SwarmError):
    """The session of the token has ended or is ordered to end, or the token is unknown."""

    reason = "SESSION_OVER"

    def __init__(self) -> None:
        super().__init__("the session of this token has ended or is ordered to end; nothing was changed")


class FollowUpRefused(SwarmError):
    """The session may file no task, or no further one."""

    reason = "FOLLOW_UP_REFUSED"

    def __init__(self, task_id: str, problem: str) -> None:
        super().__init__(f"task {task_id!r} {problem}", {"taskId": task_id})
