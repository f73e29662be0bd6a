"""Errors that every verb may raise; `types.reasons` has those of the server, one class for each reason."""

from collections.abc import Mapping, Sequence

from amplifier_swarm.errors import Violation


class SwarmError(Exception):
    """An error of a call. One of a reason that this version does not know has this class itself."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        reason: str = "",
        data: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        passing: bool = False,
        sent: bool = True,
    ) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        # What to do.
        self.hint = hint
        # The name in error_reason.proto without its prefix; empty if the error is not one of swarmd's own.
        self.reason = reason
        self.data = data or {}
        # The faults of a request or of a plan, by place.
        self.violations = violations
        # True if the server is away for a moment. The outcome of a call that was sent is then unknown.
        self.passing = passing
        self.sent = sent

    def _text(self, key: str) -> str:
        return self.data.get(key, "")

    def _number(self, key: str) -> int:
        text = self.data.get(key, "")
        return int(text) if text.isdecimal() else 0


class Misconfigured(SwarmError):
    """A setting is wrong, or there is no token. Nothing was called."""


class Unreachable(SwarmError):
    """No server answers."""


class NoAnswer(SwarmError):
    """The server did not answer in time: the outcome is unknown."""


class WaitTimedOut(SwarmError, TimeoutError):
    """The time of a wait is over; `pending` has the ids of the tasks that have not ended."""

    def __init__(self, pending: Sequence[str], *, timeout_s: float) -> None:
        super().__init__(f"{len(pending)} tasks have not ended within {timeout_s:g} s")
        self.pending = pending
