"""The worker processes of one run."""

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
from swarmctl.run.prompts import hand_down
from swarmctl.run.restart_policy import RestartPolicy

# A second signal makes a worker kill its sessions: their grace and a little more.
STOP_WITHIN_S: Final = 15.0
# Workers of a run dial its own server, whatever the environment says of other servers.
NO_TLS: Final = dict.fromkeys(
    ("SWARM_TLS_CA", "SWARM_TLS_CA_FINGERPRINT", "SWARM_WORKER_TLS_CERT", "SWARM_WORKER_TLS_KEY"), ""
)


def worker_names(size: int, lost: Sequence[str]) -> Sequence[str]:
    """Returns the names of the workers: those that hold tasks of an earlier run, then new ones up to the
    size.

    Only the same worker can report the outcome of a task that it held; for another name the server waits
    for the lease to expire.
    """
    numbered = (f"worker-{number}" for number in range(1, size + len(lost) + 1))
    rest = [name for name in numbered if name not in lost]
    return [*lost, *rest[: max(0, size - len(lost))]]


class WorkerProcesses:
    """The workers of a run, until each has exited by itself or the context ends.

    A worker that dies is restarted after a wait, under its name and with its state: only so can it report
    the outcome of the tasks that it held.
    """

    def __init__(
        self,
        programs: Programs,
        paths: RunPaths,
        *,
        server: str,
        project_root: Path,
        flags: Sequence[str],
        names: Sequence[str],
        messages: MessageQueue,
    ) -> None:
        self._programs = programs
        self._paths = paths
        prompts = hand_down(project_root, paths.prompts)
        self._flags = ("--server", server, "--project-root", str(project_root), *flags, *prompts)
        self._names = names
        self._messages = messages
        self._restarts = RestartPolicy()
        self.alive: list[Child] = []

    def __enter__(self) -> Self:
        try:
            for name in self._names:
                self._start(name)
        except BaseException:  # after any error, no child is left behind
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def active(self) -> bool:
        """True while a worker runs or waits for its restart."""
        return bool(self.alive) or self._restarts.next_due_s is not None

    @property
    def next_restart_s(self) -> float | None:
        """The time of the next restart on the monotonic clock; None if none is due."""
        return self._restarts.next_due_s

    def schedule_restart(self, child: Child, code: int) -> float | None:
        """Schedules the restart of a worker that exited too early; returns the wait in seconds.

        Returns None if the worker is given up.
        """
        return self._restarts.schedule(child.name, time.monotonic(), code)

    def restart_due(self) -> None:
        """Starts the workers that are due."""
        for name in self._restarts.pop_due(time.monotonic()):
            self._start(name)

    def cancel_restarts(self) -> None:
        """Cancels all restarts."""
        self._restarts.cancel_all()

    def _start(self, name: str) -> None:
        argv = (
            *self._programs.worker,
            *self._flags,
            "--name",
            name,
            "--state-dir",
            str(self._paths.worker_state),
            "--token-file",
            str(self._paths.worker_token),
        )
        # After the death of the run nobody waits for a drain.
        log = self._paths.log(name)
        child = Child(name, argv, log=log, parent_death_signal=signal.SIGINT, variables=NO_TLS)
        self._restarts.record_start(name, time.monotonic())
        self.alive.append(child)
        self._messages.watch_child(child)

    def drain(self) -> None:
        """Asks each worker to finish its tasks and to exit, and cancels all restarts."""
        self.cancel_restarts()
        for child in self.alive:
            child.request_stop()

    def _stop(self) -> None:
        # All workers get their signals before any is waited for. The second signal differs: two of a kind
        # may merge into one. SIGINT makes a worker stop now instead of draining.
        self.drain()
        for child in self.alive:
            child.stop(grace_s=STOP_WITHIN_S, stop_signal=signal.SIGINT)
        self.alive.clear()
