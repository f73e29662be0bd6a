"""A swarmd of a command's own, for a database whose server has ended.

Invariant: the server ends before the command does. Nothing but the command knows its address, and it has no workers, so
it starts nothing.
"""

import os
import select
import signal
import subprocess
import tempfile
import time
from typing import IO, Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import TOKEN, ProjectState
from amplifier_swarm.text import one_line
from swarmctl.console import print_err
from swarmctl.parent_death import with_parent_death_signal
from swarmctl.programs import HELD, NO_TLS, READY, installed

READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 10.0
# Another command may read the same database for a moment.
HELD_WITHIN_S: Final = 10.0
_AGAIN_AFTER_S: Final = 0.2
_LINE_LIMIT: Final = 500


class ReadingServer:
    """A swarmd that serves a database to one command, until `close`."""

    def __init__(self, state: ProjectState, *, announced: bool = True) -> None:
        """Starts the server and waits until it serves; says so if `announced`.

        Raises:
            ProgramExit: It does not start; the message has its own last line.
        """
        if announced:
            print_err(f"swarmctl: no server runs here; reading {state.db}")
        self._state = state
        give_up_s = time.monotonic() + HELD_WITHIN_S
        while True:
            with tempfile.TemporaryFile() as log:
                self._process = self._start(log)
                found = READY.match(self._first_line())
                if found is not None:
                    self.address = found["grpc"]
                    return
                self.close()
                reason = _last_line(log)
            if HELD.search(reason) is None or time.monotonic() > give_up_s:
                raise ProgramExit(
                    ExitCode.UNREACHABLE,
                    f"no server runs here, and its database can't be read: {reason or 'swarmd gave no reason'}",
                    hint=f"start `swarmd --db {state.db}` to see why",
                )
            time.sleep(_AGAIN_AFTER_S)

    def close(self) -> None:
        """Ends the server and waits for its end."""
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        argv = (
            *installed().swarmd,
            *("--db", str(self._state.db), "--token-file", str(self._state.folder / TOKEN)),
            *("--listen", "127.0.0.1:0", "--dashboard", "off"),
        )
        return subprocess.Popen(
            with_parent_death_signal(argv, signal_number=signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | NO_TLS | {"SWARMD_NOTIFY": ""},
            # Ctrl-C at the terminal reaches only us; we end the server.
            start_new_session=True,
        )

    def _first_line(self) -> str:
        """Returns the first line of the server's output; empty if none comes in time."""
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], READY_WITHIN_S)[0]:
            return ""
        return stdout.readline().decode(errors="replace")


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return one_line(lines[-1], _LINE_LIMIT) if lines else ""
