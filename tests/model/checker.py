"""Model checker: explores every state within the bounds, breadth first, so the trace to a fault is a shortest one."""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from model.invariants import check_state, check_step
from model.protocol import Bounds, Rules, State, Step, Violation, begin, crashes, doubles
from model.server import boot, server_steps
from model.worker import worker_steps
from swarmd.domain.errors import InvalidStatus


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an exploration; the trace leads from the beginning to the fault."""

    states: int
    steps: int
    depth: int
    seconds: float
    fault: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        figures = f"{self.states:,} states, {self.steps:,} steps, depth {self.depth}, {self.seconds:.1f} s"
        if not self.fault:
            return f"{figures}: no invariant is ever broken"
        lines = (f"  {number:2}. {step}" for number, step in enumerate(self.trace, 1))
        return "\n".join([f"{figures}: {self.fault}", *lines])


def successors(state: State, bounds: Bounds, rules: Rules) -> Iterator[Step]:
    """Yields every step that may come next; of workers that could change places, those of the first."""
    spared = doubles(state)
    if state.up:
        yield from server_steps(state, bounds, rules, spared)
    else:
        yield "server starts", boot(state, rules)
    yield from worker_steps(state, bounds, rules, spared)
    yield from crashes(state, bounds, spared)


class Machine(NamedTuple):
    """A state machine with its invariants. Bounds, rules and states are the machine's own."""

    begin: Callable[[Any], Any]
    successors: Callable[[Any, Any, Any], Iterator[tuple[str, Any]]]
    check_state: Callable[[Any, Any], None]
    check_step: Callable[[Any, Any, Any], None]


ATTEMPTS: Final = Machine(begin, successors, check_state, check_step)


def explore(bounds: Any, rules: Any = Rules(), *, machine: Machine = ATTEMPTS) -> Report:  # noqa: B008  # Rules is frozen
    """Searches for a state, or a step, that breaks an invariant.

    Performance: a quarter less without garbage collection. States have no cycles, and all of them stay.
    """
    gc.disable()
    try:
        return _explore(bounds, rules, machine)
    finally:
        gc.enable()


def _explore(bounds: Any, rules: Any, machine: Machine) -> Report:
    start, began = machine.begin(bounds), time.monotonic()
    came_from: dict[Any, tuple[Any, str] | None] = {start: None}
    queue, steps, depth = deque([(start, 0)]), 0, 0
    while queue:
        state, depth = queue.popleft()
        step = ""
        try:
            for step, after in machine.successors(state, bounds, rules):
                steps += 1
                if after in came_from:
                    continue
                came_from[after] = (state, step)
                machine.check_step(state, after, bounds)
                machine.check_state(after, bounds)
                queue.append((after, depth + 1))
        except (Violation, InvalidStatus) as fault:
            # A step whose making raised has no state; its name comes with the fault.
            last = getattr(fault, "__notes__", [step])[0]
            known = [*_trace(came_from, state), last]
            what = str(fault) if isinstance(fault, Violation) else f"the table has no such row: {fault}"
            seconds = time.monotonic() - began
            return Report(len(came_from), steps, depth + 1, seconds, what, tuple(known))
    return Report(len(came_from), steps, depth, time.monotonic() - began)


def _trace(came_from: dict[Any, tuple[Any, str] | None], state: Any) -> list[str]:
    steps = []
    while (link := came_from[state]) is not None:
        state, step = link
        steps.append(step)
    return steps[::-1]
