"""Makes the spans of attempts that have ended, with the ids that their workers were told at the claim."""

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
    """Gives the next root span the ids that it is told, and any others by chance."""

    def __init__(self) -> None:
        self._chance = RandomIdGenerator()
        self.next: TraceIds | None = None

    def generate_trace_id(self) -> int:
        """See IdGenerator; asked for a root span only, and before its span id."""
        return self._chance.generate_trace_id() if self.next is None else self.next.trace_id

    def generate_span_id(self) -> int:
        """See IdGenerator."""
        preset, self.next = self.next, None
        return self._chance.generate_span_id() if preset is None else preset.span_id


class Spans:
    """Two spans an attempt: from its claim to its end, and in it from the claim to the first session."""

    def __init__(self, provider: TracerProvider, ids: PresetIds, *, swarm_id: str) -> None:
        self._tracer = provider.get_tracer("swarmd")
        self._ids = ids
        self._swarm_id = swarm_id

    def record(self, attempt: EndedAttempt) -> None:
        """Makes them."""
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
            self._start(root, attempt.claimed_us, attempt.started_us)
        root.end(attempt.ended_us * _NS)

    def _start(self, root: trace.Span, claimed_us: int, started_us: int) -> None:
        context = trace.set_span_in_context(root)
        span = self._tracer.start_span("claim to go", context=context, start_time=claimed_us * _NS)
        span.end(started_us * _NS)
