"""The preflight of the `amplifier` runner; it warms the program's caches and finds a bundle that can't be loaded."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import NAME as CREDENTIALS
from swarm_worker.preflight.credentials import probe_cli_credentials
from swarm_worker.preflight.probe import Probe, ProbeFunction
from swarm_worker.preflight.providers import cli_providers, cli_variables
from swarm_worker.preflight.run_once import WARM_UP_S, run_once
from swarm_worker.runners.cli import CliRunner, read_settings, settings_files
from swarm_worker.runners.programs import run_program
from swarm_worker.storage.files import machine_folder

# The exit code of a program that has no such command or option.
UNKNOWN_COMMAND: Final = 2
SETTINGS: Final = "settings"

_log = structlog.get_logger()


class CliPreflight(Preflight):
    """Probes of the program, its bundle and its credentials."""

    def require(self) -> None:
        super().require()
        caches = (self._cli.home / "cache",)
        for probe in run_once(machine_folder(self._own), self._cache_key(), self._warm_up, caches=caches):
            if not probe.ok:
                raise probe.to_exit()
            if probe.warning:
                _log.warning("preflight", check=probe.name, found=probe.text, hint=probe.hint)

    def report(self) -> Sequence[Probe]:
        found = super().report()
        missing = [probe.name for probe in found if not probe.ok and probe.name in (CREDENTIALS, SETTINGS)]
        if missing:
            # Without a provider the program chooses one by itself, and writes the choice into the user's settings.
            names = " and ".join(self._cli.bundles_in_use(self._root).values())
            text = f"not tried ({names}), since sessions would have no provider"
            return [*found, Probe("bundle", text, warning=True, hint=f"see {missing[0]}")]
        return [*found, *self._warm_up()]

    @property
    def _cli(self) -> CliRunner:
        assert isinstance(self._runner, CliRunner)
        return self._runner

    def _runner_probes(self) -> list[ProbeFunction]:
        runner = self._cli
        way = "has --session-id" if runner.cli.takes_id else "resumes sessions that the worker creates"
        return [
            lambda: Probe(runner.name, f"{runner.cli.path}, {way}"),
            self._probe_settings,
            lambda: probe_cli_credentials(runner, project_root=self._root, own=self._own, env=self._env),
        ]

    def _endpoint_probes(self) -> list[ProbeFunction]:
        from swarm_worker.preflight.endpoint import probe_endpoint  # noqa: PLC0415  # only `--check` needs it

        providers = cli_providers(self._cli, self._root)
        variables = cli_variables(self._cli, self._env)
        return [partial(probe_endpoint, one, variables) for one in providers]

    def _probe_settings(self) -> Probe:
        """Fails if a settings file can't be read: the program would replace it by settings of its own choice."""
        for path in settings_files(self._cli.home, self._root):
            try:
                read_settings(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                hint = "correct it: amplifier would replace it by settings of its own choice"
                return Probe(SETTINGS, f"{path} can't be read: {reason}", ok=False, hint=hint)
        return Probe(SETTINGS, "can be read")

    def _warm_up(self) -> list[Probe]:
        """Has the program load each bundle in use with all its modules, without a model.

        Several sessions at once on cold caches race for the same clones and installs, and some of them fail.
        """
        _log.info("loading amplifier's bundles, which takes a minute the first time")
        in_use = self._cli.bundles_in_use(self._root)
        return [self._load_bundle(chosen, name) for chosen, name in in_use.items()]

    def _load_bundle(self, chosen: str, name: str) -> Probe:
        """Loads one bundle; `chosen` is the flag's value, empty for the active bundle of that name."""
        answer = run_program(
            [self._cli.cli.path, "tool", "list", *(["--bundle", chosen] if chosen else [])],
            # The program wraps its errors at the width of the terminal.
            env={**self._env, "COLUMNS": "1000"},
            cwd=self._root,
            timeout_s=WARM_UP_S,
        )
        if answer.code == 0:
            return Probe("bundle", f"{name} can be loaded")
        if answer.code == UNKNOWN_COMMAND:
            text = f"{name} was not tried: this amplifier has no `tool list`"
            return Probe("bundle", text, warning=True, hint="update it: cold starts at once can fail")
        hint = "pass another bundle" if chosen else "choose another bundle with `amplifier bundle use`"
        return Probe("bundle", f"{name} can't be loaded: {answer.last_line}", ok=False, hint=hint)

    def _cache_key(self) -> str:
        """Returns a key that changes with the program, its home and the bundle, on which the answer depends."""
        runner = self._cli
        changed = Path(runner.cli.path).stat().st_mtime_ns
        return f"{runner.cli.path} {changed} {runner.home} {' '.join(runner.bundles_in_use(self._root).values())}"
