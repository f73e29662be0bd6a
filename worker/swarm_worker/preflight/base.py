"""A runner's preflight."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from swarm_worker.preflight import machine
from swarm_worker.preflight.probe import Check, Probe
from swarm_worker.runners.base import Runner

_log = structlog.get_logger()


class Preflight:
    """The preflight of one worker, whose runner needs nothing; `own` is its environment, `env` that of its sessions."""

    def __init__(
        self, runner: Runner, *, project_root: Path, own: Mapping[str, str], env: Mapping[str, str]
    ) -> None:
        self._runner = runner
        self._root = project_root
        self._own = own
        self._env = env

    def start(self) -> None:
        """Raises Exit where the worker could only fail."""
        for check in (lambda: machine.disk(self._root), *self._of_runner()):
            probe = check()
            if not probe.ok:
                raise probe.exit()
            if probe.warning:
                _log.warning("preflight", check=probe.name, found=probe.text)

    def all(self) -> Sequence[Probe]:
        """Everything, for people; what warms a cache is not skipped."""
        from swarm_worker.preflight.process_tree import tree  # noqa: PLC0415  # with it come the parts of sessions

        general: list[Check] = [
            lambda: machine.root_is_writable(self._root),
            lambda: machine.disk(self._root),
            lambda: machine.git(self._env),
            tree,
        ]
        return [check() for check in (*general, *self._of_runner())]

    def _of_runner(self) -> list[Check]:
        return [lambda: Probe(self._runner.name, "needs nothing more")]
