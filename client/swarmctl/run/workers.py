"""The workers of one run."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from swarmctl.programs import Programs
from swarmctl.run.child_process import Child
from swarmctl.run.messages import MessageQueue
from swarmctl.run.paths import RunPaths
from swarmctl.run.restart_policy import RestartPolicy

# Told twice, a worker kills its sessions: their grace and a little more.
STOP_WITHIN_S: Final = 15.0


def crew(size: int, holders: Sequence[str]) -> Sequence[str]:
    """The names of the workers: those that still hold tasks of an earlier run, and new ones up to the size.

    Only a worker that comes back can say what became of what it holds; for another the server waits long.
    """
    fresh = (f"worker-{number}" for number in range(1, size + len(holders) + 1))
    rest = [name for name in fresh if name not in holders]
    return [*holders, *rest[: max(0, size - len(holders))]]


class WorkerProcesses:
    """Runs until each worker has ended by itself, or to the end of the context.

    One that died is started again, after a while: under its name and with its state, for only then can it
    say what became of what it held.
    """

    def __init__(
        self,
        programs: Programs,
        place: RunPaths,
        *,
        server: str,
        project_root: Path,
        flags: Sequence[str],
        names: Sequence[str],
        inbox: MessageQueue,
    ) -> None:
        self._programs = programs
        self._place = place
        self._flags = ("--server", server, "--project-root", str(project_root), *flags)
        self._names = names
        self._inbox = inbox
        self._restarts = RestartPolicy()
        self.alive: list[Child] = []

    def __enter__(self) -> Self:
        try:
            for name in self._names:
                self._start(name)
        except BaseException:  # whatever it is: we leave nothing behind
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def working(self) -> bool:
        """Whether a worker lives, or will again."""
        return bool(self.alive) or self._restarts.next_s is not None

    @property
    def next_s(self) -> float | None:
        """When, of the monotonic clock, the next that died is due; None if none is."""
        return self._restarts.next_s

    def died(self, child: Child, code: int) -> float | None:
        """Plans the restart of one that has ended and should not have; in how many seconds it will be.

        None if it is given up.
        """
        return self._restarts.died(child.name, time.monotonic(), code)

    def restart(self) -> None:
        """Starts those that are due."""
        for name in self._restarts.take(time.monotonic()):
            self._start(name)

    def restart_none(self) -> None:
        """Those that died stay dead."""
        self._restarts.forget()

    def _start(self, name: str) -> None:
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
        # Nobody is left to wait until it has drained.
        child = Child(name, argv, log=self._place.log(name), orphaned=signal.SIGINT)
        self._restarts.began(name, time.monotonic())
        self.alive.append(child)
        self._inbox.watch_child(child)

    def drain(self) -> None:
        """Asks each to finish what it runs and to exit, and starts none again."""
        self.restart_none()
        for child in self.alive:
            child.ask_to_end()

    def _stop(self) -> None:
        # All are told before any is waited for. The second signal is another one, for two of a kind may
        # arrive as one; a worker takes it as: now, not when you are done.
        self.drain()
        for child in self.alive:
            child.stop(grace_s=STOP_WITHIN_S, ask=signal.SIGINT)
        self.alive.clear()
