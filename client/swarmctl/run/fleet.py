"""The workers of one run."""

import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from swarmctl.run.child import Child
from swarmctl.run.inbox import Inbox
from swarmctl.run.place import Place
from swarmctl.run.programs import Programs

# Told twice, a worker kills its sessions: their grace and a little more.
STOP_WITHIN_S: Final = 15.0


class Fleet:
    """Runs until each worker has ended by itself, or to the end of the context."""

    def __init__(
        self,
        programs: Programs,
        place: Place,
        *,
        server: str,
        project_root: Path,
        flags: Sequence[str],
        size: int,
        inbox: Inbox,
    ) -> None:
        self._programs = programs
        self._place = place
        self._flags = ("--server", server, "--project-root", str(project_root), *flags)
        self._size = size
        self._inbox = inbox
        self.alive: list[Child] = []

    def __enter__(self) -> Self:
        try:
            for number in range(1, self._size + 1):
                child = self._start(f"worker-{number}")
                self.alive.append(child)
                self._inbox.watch_child(child)
        except BaseException:  # whatever it is: we leave nothing behind
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self, name: str) -> Child:
        argv = (
            *self._programs.worker,
            *self._flags,
            "--name",
            name,
            "--state-dir",
            str(self._place.worker_state),
            "--token-file",
            str(self._place.token),
            "--exit-when-done",
        )
        return Child(name, argv, log=self._place.log(name))

    def drain(self) -> None:
        """Asks each to finish what it runs and to exit."""
        for child in self.alive:
            child.ask_to_end()

    def _stop(self) -> None:
        # All are told before any is waited for. The second signal is another one, for two of a kind may
        # arrive as one; a worker takes it as: now, not when you are done.
        self.drain()
        for child in self.alive:
            child.stop(grace_s=STOP_WITHIN_S, ask=signal.SIGINT)
        self.alive.clear()
