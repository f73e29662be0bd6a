"""The preflight that all runners share."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.vocabulary import RunnerName
from swarm_worker.domain.types import Role
from swarm_worker.preflight import machine
from swarm_worker.preflight.environment import probe_environment
from swarm_worker.preflight.probe import Probe, ProbeFunction
from swarm_worker.runners.base import Runner

REHEARSAL: Final = "a rehearsal: no model works, and nothing that it completes is a result"

_log = structlog.get_logger()


class Preflight:
    """The preflight of one worker; `own` is the worker's environment, `env` its sessions'.

    `passed` are the names of --pass-env, `roles` those whose sessions the worker will start.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        project_root: Path,
        own: Mapping[str, str],
        env: Mapping[str, str],
        passed: Sequence[str] = (),
        roles: Sequence[Role] = tuple(Role),
    ) -> None:
        self._runner = runner
        self._root = project_root
        self._own = own
        self._env = env
        self._passed = passed
        self._roles = roles

    def require(self) -> None:
        """Runs the probes of a start and stops at the first that fails: claiming and failing tasks costs more.

        Raises:
            ProgramExit: a probe failed.
        """
        for probe in self._start_probes():
            if not probe.ok:
                raise probe.to_exit()
            if probe.warning:
                _log.warning("preflight", check=probe.name, found=probe.text, hint=probe.hint)

    def report(self) -> Sequence[Probe]:
        """Runs all probes for `--check`, the slow ones too, and returns every result."""
        from swarm_worker.preflight.process_tree import probe_kill  # noqa: PLC0415  # imports the modules of sessions

        general: list[ProbeFunction] = [
            lambda: machine.probe_project_root(self._root),
            lambda: machine.probe_disk(self._root),
            lambda: machine.probe_git(self._root, self._env),
            probe_kill,
        ]
        found = [probe_function() for probe_function in general]
        runner_probes = (*self._runner_probes(), *self._endpoint_probes())
        return [*found, *self._environment_probes(), *(probe() for probe in runner_probes)]

    def _start_probes(self) -> Iterator[Probe]:
        yield machine.probe_disk(self._root)
        yield from self._environment_probes()
        for probe_function in self._runner_probes():
            yield probe_function()

    def _environment_probes(self) -> Iterator[Probe]:
        return probe_environment(self._own, self._env, passed=self._passed)

    def _endpoint_probes(self) -> list[ProbeFunction]:
        """Returns the probes of the providers' addresses, which need the network."""
        return []

    def _runner_probes(self) -> list[ProbeFunction]:
        if self._runner.name == RunnerName.EMBEDDED:
            return [
                lambda: Probe(
                    self._runner.name, REHEARSAL, warning=True, hint="pass another --runner for work"
                )
            ]
        return [lambda: Probe(self._runner.name, "its programs can be started")]
