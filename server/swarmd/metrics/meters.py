"""Counters and histograms of events as they happen.

Invariant: no label has a value that a client can choose; so there are no ids, names or causes.
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from swarmd.domain.model import SessionRole

_QUICK: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_WAITS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)
_SESSIONS: Final = (1, 5, 15, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400)
_BEATS: Final = (0.5, 1, 2.5, 5, 10, 15, 20, 30, 60, 120, 300)
_GROUPS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024)


class Meters:
    """An Observer that counts into its own registry."""

    def __init__(self) -> None:
        # The creation time of a series is useless, since each series starts at 0.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as it is shipped
        self.registry = registry = CollectorRegistry()
        histogram = partial(_histogram, registry)
        self._commits = histogram(
            "commit_duration_seconds", "How long a commit took to be on the disk.", _QUICK
        )
        self._groups = histogram("commit_writes", "How many writes shared a commit.", _GROUPS)
        self._claims = histogram(
            "dispatch_latency_seconds", "From when a task may be claimed until a worker holds it.", _WAITS
        )
        self._starts = histogram(
            "claim_latency_seconds", "From a claim until its first session has its go.", _WAITS
        )
        self._sessions = histogram(
            "session_duration_seconds",
            "How long sessions lasted, by their worker's report.",
            _SESSIONS,
            "role",
        )
        self._beats = histogram("heartbeat_gap_seconds", "Between two heartbeats of a worker.", _BEATS)
        self._calls = histogram(
            "rpc_duration_seconds", "How long calls took, streams left out.", _QUICK, "method"
        )
        # Performance: every call is timed, so the series of each method is looked up once (docs/performance.md).
        self._calls_of = cache(self._calls.labels)
        about = "Calls that were refused or failed, by reason."
        self._refusals = Counter("swarm_rpc_refusals", about, ["method", "reason"], registry=registry)
        about = "Messages sent to people, by whether they were taken."
        self._messages = Counter("swarm_notifications", about, ["result"], registry=registry)
        # Series without a value yet are exposed as 0, so that their first rise is seen.
        for role in SessionRole:
            self._sessions.labels(role)
        for result in ("taken", "refused"):
            self._messages.labels(result)

    def committed(self, lasted_s: float, writes: int) -> None:
        """See Observer."""
        self._commits.observe(lasted_s)
        self._groups.observe(writes)

    def claimed(self, waited_s: float) -> None:
        """See Observer."""
        self._claims.observe(waited_s)

    def started(self, waited_s: float) -> None:
        """See Observer."""
        self._starts.observe(waited_s)

    def session_ended(self, role: SessionRole, lasted_s: float) -> None:
        """See Observer."""
        self._sessions.labels(role).observe(lasted_s)

    def heartbeat(self, gap_s: float) -> None:
        """See Observer."""
        self._beats.observe(gap_s)

    def called(self, method: str, lasted_s: float, refusal: str) -> None:
        """See Observer."""
        self._calls_of(method).observe(lasted_s)
        if refusal:
            self._refusals.labels(method, refusal).inc()

    def notified(self, *, taken: bool) -> None:
        """See Observer."""
        self._messages.labels("taken" if taken else "refused").inc()


def _histogram(
    registry: CollectorRegistry, name: str, about: str, buckets: Sequence[float], *labels: str
) -> Histogram:
    return Histogram(f"swarm_{name}", about, labels, buckets=buckets, registry=registry)
