"""One thing that is looked at before money is spent, and how programs are asked about themselves."""

from collections.abc import Callable
from dataclasses import dataclass

from amplifier_swarm.exits import ExitCode, ProgramExit


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found; a failed one says what to do in `hint`. A warning is no failure."""

    name: str
    text: str
    ok: bool = True
    warning: bool = False
    hint: str = ""

    def line(self) -> str:
        """For `--check`."""
        word = "FAIL" if not self.ok else "warn" if self.warning else "ok"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{word:<4}  {self.name}: {self.text}{hint}"

    def exit(self) -> ProgramExit:
        """For a worker that can't start."""
        return ProgramExit(ExitCode.USAGE, f"{self.name}: {self.text}", hint=self.hint)


Check = Callable[[], Probe]
