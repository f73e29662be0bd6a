"""The trace ids of an attempt, derived from its identity so that they survive a restart."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceIds:
    """The ids of a trace and of its root span."""

    trace_id: int
    span_id: int

    @property
    def parent(self) -> str:
        """Returns the `traceparent` header of W3C Trace Context."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def trace_of(swarm_id: str, *, epoch: int, task_id: str, attempt: int) -> TraceIds:
    """Returns the ids of one attempt, which no other attempt has."""
    digest = hashlib.sha256(f"{swarm_id} {epoch} {task_id} {attempt}".encode()).digest()
    # W3C forbids 0 for both.
    return TraceIds(int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1)
