"""The spans of ended attempts, with the ids that each worker got with its claim."""

from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import Status, StatusCode

from swarmd.domain.model import AttemptOutcome
from swarmd.domain.traces import TraceIds, trace_of
from swarmd.store.attempts import EndedAttempt

_BAD: Final = frozenset({AttemptOutcome.FAILED, AttemptOutcome.LOST})
_NS: Final = 1_000


class PresetIds(IdGenerator):
    """An id generator that gives the next root span preset ids, and all others random ids."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.next: TraceIds | None = None

    def generate_trace_id(self) -> int:
        """Returns the trace id of a root span; the SDK asks for it before the span id."""
        return self._random.generate_trace_id() if self.next is None else self.next.trace_id

    def generate_span_id(self) -> int:
        """Returns the id of the next span."""
        preset, self.next = self.next, None
        return self._random.generate_span_id() if preset is None else preset.span_id


class Spans:
    """The maker of two spans per attempt: claim to end, and within it claim to first session."""

    def __init__(self, provider: TracerProvider, ids: PresetIds, *, swarm_id: str) -> None:
        self._tracer = provider.get_tracer("swarmd")
        self._ids = ids
        self._swarm_id = swarm_id

    def record(self, attempt: EndedAttempt) -> None:
        """Makes the spans of an ended attempt."""
        self._ids.next = trace_of(
            self._swarm_id, epoch=attempt.epoch, task_id=attempt.task_id, attempt=attempt.number
        )
        root = self._tracer.start_span(
            "attempt",
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            start_time=attempt.claimed_us * _NS,
            attributes={
                "swarm.id": self._swarm_id,
                "swarm.task": attempt.task_id,
                "swarm.attempt": attempt.number,
                "swarm.worker": attempt.worker,
                "swarm.runner": attempt.runner,
                "swarm.outcome": attempt.outcome,
                "swarm.failure_class": attempt.failure_class,
            },
        )
        if attempt.outcome in _BAD:
            root.set_status(Status(StatusCode.ERROR, attempt.failure_class))
        if attempt.started_us is not None:
            self._add_wait_span(root, attempt.claimed_us, attempt.started_us)
        root.end(attempt.ended_us * _NS)

    def _add_wait_span(self, root: trace.Span, claimed_us: int, started_us: int) -> None:
        context = trace.set_span_in_context(root)
        span = self._tracer.start_span("claim to go", context=context, start_time=claimed_us * _NS)
        span.end(started_us * _NS)
