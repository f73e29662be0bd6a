"""The trace of an attempt: its ids follow from what the attempt is, so that no restart forgets them."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceIds:
    """The trace, and the span that all others of it hang on."""

    trace_id: int
    span_id: int

    @property
    def parent(self) -> str:
        """As W3C Trace Context has it."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def trace_of(swarm_id: str, *, epoch: int, task_id: str, attempt: int) -> TraceIds:
    """The ids of one attempt, unlike those of any other."""
    digest = hashlib.sha256(f"{swarm_id} {epoch} {task_id} {attempt}".encode()).digest()
    # Neither may be 0.
    return TraceIds(int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1)
