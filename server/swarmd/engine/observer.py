"""The measuring points of the engine. An observer changes nothing."""

from typing import Protocol

from swarmd.domain.model import SessionRole


def seconds_since(begin_us: int | None, end_us: int) -> float:
    """Returns the time between two readings of a wall clock, at least 0: the clock may have been set back."""
    return 0.0 if begin_us is None else max(0, end_us - begin_us) / 1e6


class Observer(Protocol):
    """The callbacks of a measuring point. They run on the event loop, must be quick and never raise."""

    def committed(self, lasted_s: float, writes: int) -> None:
        """Reports that a group of writes is on disk, and the time of its commit. Called on the writer thread."""

    def claimed(self, waited_s: float) -> None:
        """Reports the time from a task's readiness to its claim."""

    def started(self, waited_s: float) -> None:
        """Reports the time from a claim to the go of its first session."""

    def session_ended(self, role: SessionRole, lasted_s: float) -> None:
        """Reports the duration of an ended session."""

    def heartbeat(self, gap_s: float) -> None:
        """Reports the time between two heartbeats of a worker."""

    def called(self, method: str, lasted_s: float, refusal: str) -> None:
        """Reports an answered call; `refusal` is its error reason, or empty."""

    def notified(self, *, taken: bool) -> None:
        """Reports a notification that was sent; `taken` if its receiver accepted it."""


class NullObserver:
    """An observer that measures nothing."""

    def committed(self, lasted_s: float, writes: int) -> None:
        """See Observer."""

    def claimed(self, waited_s: float) -> None:
        """See Observer."""

    def started(self, waited_s: float) -> None:
        """See Observer."""

    def session_ended(self, role: SessionRole, lasted_s: float) -> None:
        """See Observer."""

    def heartbeat(self, gap_s: float) -> None:
        """See Observer."""

    def called(self, method: str, lasted_s: float, refusal: str) -> None:
        """See Observer."""

    def notified(self, *, taken: bool) -> None:
        """See Observer."""
