"""The preflight of the `amplifier-agent` runner, whose caches it warms."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import agent_credentials
from swarm_worker.preflight.probe import Check, Probe
from swarm_worker.preflight.run_once import once
from swarm_worker.runners import validator_mode
from swarm_worker.runners.agent import AgentRunner
from swarm_worker.runners.discovery import ANSWER_S
from swarm_worker.runners.programs import ask
from swarm_worker.storage.files import machine_folder

# Dozens of clones and installs.
PREPARE_S: Final = 900.0

_log = structlog.get_logger()


class AgentPreflight(Preflight):
    """Looks at the program, its configurations and its credentials, and has it prepare itself."""

    def start(self) -> None:
        """Raises Exit where the worker could only fail."""
        super().start()
        for probe in once(machine_folder(self._own), self._key(), self._warmed):
            if not probe.ok:
                raise probe.exit()

    def all(self) -> Sequence[Probe]:
        """Everything, for people; what warms a cache is not skipped."""
        return [*super().all(), *self._warmed()]

    @property
    def _agent(self) -> AgentRunner:
        assert isinstance(self._runner, AgentRunner)
        return self._runner

    def _of_runner(self) -> list[Check]:
        runner = self._agent
        configs = [lambda path=path: _config(path) for path in set(runner.configs.values())]
        return [
            lambda: Probe(runner.name, f"{runner.engine.version}, protocol {runner.engine.protocol}"),
            *configs,
            lambda: agent_credentials(runner, own=self._own, env=self._env),
            self._mode,
        ]

    def _mode(self) -> Probe:
        if "--mode" not in self._agent.engine.options:
            return Probe("mode", "the agent has none: validators could write", warning=True)
        try:
            validator_mode.lay_out(self._root)
        except OSError as error:
            text = f"can't write {validator_mode.PLACE}: {error.strerror}"
            return Probe("mode", text, ok=False, hint="make it writable: validators need it")
        return Probe("mode", f"validators only read ({validator_mode.PLACE})")

    def _warmed(self) -> list[Probe]:
        """What takes long and must not run twice at once: cold caches race."""
        prepared = self._told("prepare", timeout_s=PREPARE_S)
        return [prepared, self._told("doctor", "--strict")] if prepared.ok else [prepared]

    def _told(self, *words: str, timeout_s: float = ANSWER_S) -> Probe:
        if words[0] == "prepare":
            _log.info("preparing amplifier-agent, which takes a minute the first time")
        answer = ask([self._agent.engine.path, *words], env=self._env, cwd=self._root, timeout_s=timeout_s)
        name = f"amplifier-agent {words[0]}"
        if answer.code == 0:
            return Probe(name, "ok")
        return Probe(
            name, answer.said, ok=False, hint=f"run `amplifier-agent {' '.join(words)}` and mend what it says"
        )

    def _key(self) -> str:
        """Changes with whatever could change the answer."""
        engine = self._agent.engine
        changed = Path(engine.path).stat().st_mtime_ns
        return f"{engine.path} {changed} {engine.version} {self._agent.home}"


def _config(path: Path) -> Probe:
    """A host configuration that the agent will be able to read; what it means is for the agent to say."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = f"{path} can't be read: {getattr(error, 'strerror', None) or error}"
        return Probe("configuration", text, ok=False, hint="give a file with JSON")
    if not isinstance(found, dict):
        return Probe("configuration", f"{path} holds no JSON object", ok=False, hint="correct it")
    return Probe("configuration", str(path))
