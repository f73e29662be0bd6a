"""The preflight of the `amplifier` runner."""

from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import cli_credentials
from swarm_worker.preflight.probe import Check, Probe
from swarm_worker.runners.cli import CliRunner


class CliPreflight(Preflight):
    """Looks for the program and for credentials."""

    def _of_runner(self) -> list[Check]:
        runner = self._runner
        assert isinstance(runner, CliRunner)
        way = "takes session ids" if runner.cli.takes_id else "resumes laid-out sessions"
        return [
            lambda: Probe(runner.name, f"{runner.cli.path}, {way}"),
            lambda: cli_credentials(runner, project_root=self._root, own=self._own, env=self._env),
        ]
