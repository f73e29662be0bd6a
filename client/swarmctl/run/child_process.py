"""A child process: its log, its end, and its last message.

Invariant: the output goes to a file, never into a pipe that nobody reads. The child is ended by its handle,
never by a number that may belong to another process. The child does not outlive this process, however this
process ends.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarmctl.parent_death import with_parent_death_signal

_TAIL_BYTES: Final = 8_192
_LINE_LIMIT: Final = 500


class Child:
    """A process, started by the constructor."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        stdout: int | None = None,
        parent_death_signal: signal.Signals = signal.SIGTERM,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Starts the process. Its stderr goes to the log; so does its stdout, unless a descriptor is given.

        Its environment is ours with `variables` added: no other user can read them, unlike the arguments.
        It gets `parent_death_signal` if this process ends first.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._log_start = os.fstat(descriptor).st_size
            self._process = subprocess.Popen(
                with_parent_death_signal(argv, signal_number=parent_death_signal),
                stdin=subprocess.DEVNULL,
                stdout=descriptor if stdout is None else stdout,
                stderr=descriptor,
                env={**os.environ, **(variables or {})},
                # Ctrl-C at the terminal reaches only us; we signal the children.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process.poll() is None

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Returns the exit code; None if the process has not ended in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *, grace_s: float, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Asks the process to end, kills it after `grace_s` seconds, and waits for its end."""
        self.request_stop(stop_signal)
        if self.wait(grace_s) is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()

    def request_stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal, unless the process has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(stop_signal)

    def last_line(self) -> str:
        """Returns the last line of the log; empty if this process has logged nothing, or the log was removed."""
        try:
            with self.log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, end - _TAIL_BYTES))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return one_line(lines[-1], _LINE_LIMIT) if lines else ""

    def exit_text(self, code: int) -> str:
        """Returns a line about the exit, with the last line of the log unless a signal ended the process."""
        if code < 0:
            return f"{self.name} was ended by {_signal_name(-code)}; see {self.log}"
        return f"{self.name} ended with exit code {code}: {self.last_line() or f'see {self.log}'}"


def _signal_name(number: int) -> str:
    # Real-time signals have no names.
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
