"""The preflight of the `amplifier` runner."""

from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import probe_cli_credentials
from swarm_worker.preflight.probe import Probe, ProbeFunction
from swarm_worker.runners.cli import CliRunner


class CliPreflight(Preflight):
    """Probes of the program and of its credentials."""

    def _runner_probes(self) -> list[ProbeFunction]:
        runner = self._runner
        assert isinstance(runner, CliRunner)
        way = "has --session-id" if runner.cli.takes_id else "resumes sessions that the worker creates"
        return [
            lambda: Probe(runner.name, f"{runner.cli.path}, {way}"),
            lambda: probe_cli_credentials(runner, project_root=self._root, own=self._own, env=self._env),
        ]
