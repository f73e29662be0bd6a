"""A process that we started: its log, its end, and what it said last.

The rule: its output goes to a file, never into a pipe that nobody reads; it is ended by its handle, never
by a number that may have become another's; and it does not outlive us, however we end.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarmctl.run.parent_death import tethered

_TAIL_BYTES: Final = 8_192
_LINE_LIMIT: Final = 500


class Child:
    """One process. Runs from the moment that it is made."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        stdout: int | None = None,
        orphaned: signal.Signals = signal.SIGTERM,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Its stdout goes to the descriptor if one is given, else to the log like its stderr. Its environment
        is ours with the variables, which no other user can read, unlike its arguments.

        It gets the signal `orphaned` if we are gone before it is.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._begin = os.fstat(descriptor).st_size
            self._process = subprocess.Popen(
                tethered(argv, end=orphaned),
                stdin=subprocess.DEVNULL,
                stdout=descriptor if stdout is None else stdout,
                stderr=descriptor,
                env={**os.environ, **(variables or {})},
                # Ctrl-C at the terminal is for us; we tell the children what to do about it.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Its exit code, None if it has not ended in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *, grace_s: float, ask: signal.Signals = signal.SIGTERM) -> None:
        """Returns when it has ended: asked first, then made to."""
        self.ask_to_end(ask)
        if self.wait(grace_s) is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()

    def ask_to_end(self, ask: signal.Signals = signal.SIGTERM) -> None:
        """Sends it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(ask)

    def last_line(self) -> str:
        """The last line of its log, empty if it has logged nothing."""
        with self.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._begin, end - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return one_line(lines[-1], _LINE_LIMIT) if lines else ""

    def ending(self, code: int) -> str:
        """How it ended, with its own last words; one that a signal ended had none."""
        if code < 0:
            return f"{self.name} was ended by {_signal(-code)}; see {self.log}"
        return f"{self.name} ended with exit code {code}: {self.last_line() or f'see {self.log}'}"


def _signal(number: int) -> str:
    # Those for real-time use have no names.
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
