"""What the engine shows to somebody who measures. It goes the same way whether anybody looks or not."""

from typing import Protocol

from swarmd.domain.model import SessionRole


def seconds_since(begin_us: int | None, end_us: int) -> float:
    """The time between two readings of a clock that may have been set back meanwhile."""
    return 0.0 if begin_us is None else max(0, end_us - begin_us) / 1e6


class Observer(Protocol):
    """Called on the event loop, but for `committed`; must be quick and never raise."""

    def committed(self, lasted_s: float, writes: int) -> None:
        """A group of writes is on the disk, and its commit took so long. Called by the writer's thread."""

    def claimed(self, waited_s: float) -> None:
        """A task was claimed so long after it could be."""

    def started(self, waited_s: float) -> None:
        """The first session of an attempt got its go so long after the claim."""

    def session_ended(self, role: SessionRole, lasted_s: float) -> None:
        """A session ended."""

    def beat(self, gap_s: float) -> None:
        """A worker was heard so long after the last time."""

    def called(self, method: str, lasted_s: float, refusal: str) -> None:
        """A call of the contract was answered; `refusal` is empty, or why it was refused."""

    def notified(self, *, taken: bool) -> None:
        """A message went to somebody outside."""


class NullObserver:
    """Looks away."""

    def committed(self, lasted_s: float, writes: int) -> None:
        """See Observer."""

    def claimed(self, waited_s: float) -> None:
        """See Observer."""

    def started(self, waited_s: float) -> None:
        """See Observer."""

    def session_ended(self, role: SessionRole, lasted_s: float) -> None:
        """See Observer."""

    def beat(self, gap_s: float) -> None:
        """See Observer."""

    def called(self, method: str, lasted_s: float, refusal: str) -> None:
        """See Observer."""

    def notified(self, *, taken: bool) -> None:
        """See Observer."""
