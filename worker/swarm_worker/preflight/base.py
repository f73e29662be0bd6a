"""The preflight that all runners share."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from swarm_worker.preflight import machine
from swarm_worker.preflight.probe import Probe, ProbeFunction
from swarm_worker.runners.base import Runner

_log = structlog.get_logger()


class Preflight:
    """The preflight of one worker; `own` is the worker's environment, `env` its sessions'."""

    def __init__(
        self, runner: Runner, *, project_root: Path, own: Mapping[str, str], env: Mapping[str, str]
    ) -> None:
        self._runner = runner
        self._root = project_root
        self._own = own
        self._env = env

    def require(self) -> None:
        """Runs the probes of a start and stops at the first that fails: claiming and failing tasks costs more.

        Raises:
            ProgramExit: a probe failed.
        """
        for probe_function in (lambda: machine.probe_disk(self._root), *self._runner_probes()):
            probe = probe_function()
            if not probe.ok:
                raise probe.to_exit()
            if probe.warning:
                _log.warning("preflight", check=probe.name, found=probe.text)

    def report(self) -> Sequence[Probe]:
        """Runs all probes for `--check`, the slow ones too, and returns every result."""
        from swarm_worker.preflight.process_tree import probe_kill  # noqa: PLC0415  # imports the modules of sessions

        general: list[ProbeFunction] = [
            lambda: machine.probe_project_root(self._root),
            lambda: machine.probe_disk(self._root),
            lambda: machine.probe_git(self._env),
            probe_kill,
        ]
        return [probe_function() for probe_function in (*general, *self._runner_probes())]

    def _runner_probes(self) -> list[ProbeFunction]:
        return [lambda: Probe(self._runner.name, "needs nothing more")]
