"""The result of a probe."""

from collections.abc import Callable
from dataclasses import dataclass

from amplifier_swarm.exits import ExitCode, ProgramExit


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe's result; if `ok` is False, `hint` says what to do. A warning does not stop the worker.

    `unproven` marks what a check can't tell, or could tell only at a cost.
    """

    name: str
    text: str
    ok: bool = True
    warning: bool = False
    hint: str = ""
    unproven: bool = False

    def line(self) -> str:
        """Formats the result for `--check`."""
        word = "FAIL" if not self.ok else "warn" if self.warning else "open" if self.unproven else "ok"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{word:<4}  {self.name}: {self.text}{hint}"

    def to_exit(self) -> ProgramExit:
        """Returns the exit of a worker that can't start for this reason."""
        return ProgramExit(ExitCode.USAGE, f"{self.name}: {self.text}", hint=self.hint)


ProbeFunction = Callable[[], Probe]
