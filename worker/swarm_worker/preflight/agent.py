"""The preflight of the `amplifier-agent` runner; it warms the agent's caches."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog

from amplifier_swarm import text_files
from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import probe_agent_credentials
from swarm_worker.preflight.probe import Probe, ProbeFunction
from swarm_worker.preflight.providers import agent_providers
from swarm_worker.preflight.run_once import WARM_UP_S, run_once
from swarm_worker.runners import validator_mode
from swarm_worker.runners.agent import AgentRunner
from swarm_worker.runners.discovery import ANSWER_S
from swarm_worker.runners.programs import run_program
from swarm_worker.storage.files import machine_folder

_log = structlog.get_logger()


class AgentPreflight(Preflight):
    """Probes of the program, its configurations and its credentials; it also runs `amplifier-agent prepare`."""

    def require(self) -> None:
        super().require()
        caches = (self._agent.home / "cache", self._agent.home / "cache" / "prepared")
        for probe in run_once(machine_folder(self._own), self._cache_key(), self._warm_up, caches=caches):
            if not probe.ok:
                raise probe.to_exit()

    def report(self) -> Sequence[Probe]:
        return [*super().report(), *self._warm_up()]

    @property
    def _agent(self) -> AgentRunner:
        assert isinstance(self._runner, AgentRunner)
        return self._runner

    def _runner_probes(self) -> list[ProbeFunction]:
        runner = self._agent
        configs = [lambda path=path: _probe_config(path) for path in set(runner.configs.values())]
        return [
            lambda: Probe(runner.name, f"{runner.engine.version}, protocol {runner.engine.protocol}"),
            *configs,
            lambda: probe_agent_credentials(runner, own=self._own, env=self._env, roles=self._roles),
            self._probe_mode,
        ]

    def _endpoint_probes(self) -> list[ProbeFunction]:
        from swarm_worker.preflight.endpoint import probe_endpoint  # noqa: PLC0415  # only `--check` needs it

        providers = agent_providers(self._agent, self._env, roles=self._roles)
        return [partial(probe_endpoint, one, self._env) for one in providers]

    def _probe_mode(self) -> Probe:
        if "--mode" not in self._agent.engine.options:
            text = (
                "the agent has no --mode, so validators have tools that write; what they change is reported"
            )
            return Probe("mode", text, warning=True, hint="update the agent")
        try:
            validator_mode.write_mode_file(self._root)
        except OSError as error:
            text = f"can't write {validator_mode.MODE_FILE}: {error.strerror}"
            return Probe("mode", text, ok=False, hint="make it writable: validators need it")
        text = f"validators have no tool that writes files, but bash ({validator_mode.MODE_FILE})"
        return Probe("mode", f"{text}; what they change is reported")

    def _warm_up(self) -> list[Probe]:
        """Prepares the agent and runs its doctor; two at once would race for the cold caches, see run_once."""
        prepared = self._run_agent("prepare", timeout_s=WARM_UP_S)
        return [prepared, self._run_agent("doctor", "--strict")] if prepared.ok else [prepared]

    def _run_agent(self, *words: str, timeout_s: float = ANSWER_S) -> Probe:
        if words[0] == "prepare":
            _log.info("preparing amplifier-agent, which takes a minute the first time")
        answer = run_program(
            [self._agent.engine.path, *words], env=self._env, cwd=self._root, timeout_s=timeout_s
        )
        name = f"amplifier-agent {words[0]}"
        if answer.code == 0:
            return Probe(name, "ok")
        return Probe(
            name,
            answer.last_line,
            ok=False,
            hint=f"run `amplifier-agent {' '.join(words)}` and fix what it reports",
        )

    def _cache_key(self) -> str:
        """Returns a key that changes with the program and its home, on which the answers depend."""
        engine = self._agent.engine
        changed = Path(engine.path).stat().st_mtime_ns
        return f"{engine.path} {changed} {engine.version} {self._agent.home}"


def _probe_config(path: Path) -> Probe:
    """Probes that a host configuration is a JSON object; the agent itself checks its content."""
    try:
        found = json.loads(text_files.read(path))
    except (OSError, ValueError) as error:
        text = f"{path} can't be read: {getattr(error, 'strerror', None) or error}"
        return Probe("configuration", text, ok=False, hint="give a file with JSON")
    if not isinstance(found, dict):
        return Probe("configuration", f"{path} is not a JSON object", ok=False, hint="correct it")
    return Probe("configuration", str(path))
