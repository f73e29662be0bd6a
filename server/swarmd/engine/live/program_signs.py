"""The signs of the programs that run for leases: when each last printed something new, and when its limits end it.

Workers report them with heartbeats. They are for display only, and live in memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from swarmd.engine.live.state import LiveLease

# The most quiet tasks that are shown.
SHOWN_QUIET: Final = 20


class ReportedSigns(NamedTuple):
    """The signs of one program, in seconds from the moment of the report; None as in `RunningProgram`."""

    quiet_s: float | None
    times_out_in_s: float
    stalls_in_s: float | None


NOTHING_RUNS: Final[Mapping[str, ReportedSigns]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ProgramSigns:
    """The signs of one program in microseconds since 1970.

    `new_us` is None for a program that prints nothing before its end, `stalls_us` without a limit of its silence.
    """

    new_us: int | None
    times_out_us: int
    stalls_us: int | None


def at(reported: ReportedSigns, now_us: int) -> ProgramSigns:
    """Returns reported signs as points in time."""

    def later_us(seconds: float | None) -> int | None:
        return None if seconds is None else now_us + int(seconds * 1_000_000)

    quiet_s = reported.quiet_s
    return ProgramSigns(
        later_us(None if quiet_s is None else -quiet_s),
        now_us + int(reported.times_out_in_s * 1_000_000),
        later_us(reported.stalls_in_s),
    )


@dataclass(frozen=True, slots=True)
class QuietTask:
    """A task whose program has printed nothing new for a while."""

    task_id: str
    worker: str
    signs: ProgramSigns


def quiet_tasks(leases: Iterable["LiveLease"], *, before_us: int) -> Sequence[QuietTask]:
    """Returns the tasks whose programs have printed nothing new since then, the longest first, at most SHOWN_QUIET."""
    found = [
        (found.signs.new_us, QuietTask(found.lease.task_id, found.lease.worker, found.signs))
        for found in leases
        if found.signs is not None and found.signs.new_us is not None and found.signs.new_us <= before_us
    ]
    return [quiet for _, quiet in sorted(found, key=lambda pair: (pair[0], pair[1].task_id))[:SHOWN_QUIET]]
