"""Further turns in the same session after errors that a person would just go on from.

The library retries nothing: one 429, or one wrong argument of a tool call, ends a turn that has done an hour's work.
The session stays usable, with its history.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .errors import PROVIDER_FAILED, LibraryFault

MOST_TURNS: Final = 8
# The waits for a provider that fails again and again, in seconds; the last one repeats.
WAITS_S: Final = (5.0, 15.0, 45.0, 60.0)
# A session without an answer has nothing to lose, so the swarm can do the waiting without a process.
UNANSWERED_TURNS: Final = 2

GO_ON: Final = "The provider of the model failed, and is asked again. Go on with the task where you stopped."
UNOFFERED: Final = (
    "Your last tool call named the tool {tool!r}, which does not exist here. Use only the tools that are offered,"
    " and go on with the task."
)


@dataclass(frozen=True, slots=True)
class FurtherTurn:
    """A turn to start after a wait in seconds; without a prompt, the first one is repeated."""

    prompt: str
    wait_s: float = 0.0


@dataclass(slots=True)
class Recovery:
    """The turns of one session so far."""

    waits_s: Sequence[float] = WAITS_S
    turns: int = 1
    _by_code: Counter[str] = field(default_factory=Counter)
    _failed_in_a_row: int = 0

    def after(self, fault: LibraryFault, *, answered: bool, in_this_turn: bool) -> FurtherTurn | None:
        """Returns the turn that may follow a failed one, or None.

        `answered` says whether a model has answered in the session, `in_this_turn` whether it has since the last turn
        began.
        """
        most = MOST_TURNS if answered else UNANSWERED_TURNS
        further = None if self.turns >= most else self._further(fault, answered=answered, again=in_this_turn)
        if further is not None:
            self.turns += 1
            self._by_code[fault.code] += 1
        return further

    def _further(self, fault: LibraryFault, *, answered: bool, again: bool) -> FurtherTurn | None:
        if fault.code == PROVIDER_FAILED:
            return self._after_provider(fault, answered=answered, again=again)
        rule = fault.rule
        if self._by_code[fault.code] >= rule.turns:
            return None
        return FurtherTurn(rule.advice.format(text=fault.text))

    def _after_provider(self, fault: LibraryFault, *, answered: bool, again: bool) -> FurtherTurn | None:
        if fault.tool:
            return FurtherTurn(UNOFFERED.format(tool=fault.tool))
        if not fault.retryable:
            return None
        self._failed_in_a_row = 1 if again else self._failed_in_a_row + 1
        wait_s = self.waits_s[min(self._failed_in_a_row, len(self.waits_s)) - 1]
        return FurtherTurn(GO_ON if answered else "", wait_s)
