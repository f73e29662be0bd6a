"""The preflight: all that is looked at for the runner that was chosen, for a start and for `--check`.

Its one rule: it ends at the first failure, for a worker that claims and then fails tasks costs more.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from swarm_worker.preflight import machine
from swarm_worker.preflight.credentials import agent_credentials, cli_credentials
from swarm_worker.preflight.find import ANSWER_S
from swarm_worker.preflight.once import once
from swarm_worker.preflight.probe import Check, Probe, ask
from swarm_worker.runners import modes
from swarm_worker.runners.agent import AgentRunner
from swarm_worker.runners.base import Runner
from swarm_worker.runners.cli import CliRunner
from swarm_worker.state import machine_folder

# Dozens of clones and installs.
PREPARE_S: Final = 900.0

_log = structlog.get_logger()


class Preflight:
    """The preflight of one worker; `own` is its environment, `env` that of its sessions."""

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
        warming = self._warming()
        if not warming:
            return
        for probe in once(machine_folder(self._own), self._key(), lambda: _until_red(warming)):
            if not probe.ok:
                raise probe.exit()

    def all(self) -> Sequence[Probe]:
        """Everything, for people; what warms a cache is not skipped."""
        from swarm_worker.preflight.tree import tree  # noqa: PLC0415  # with it come the parts of sessions

        general: list[Check] = [
            lambda: machine.root_is_writable(self._root),
            lambda: machine.disk(self._root),
            lambda: machine.git(self._env),
            tree,
        ]
        warming = self._warming()
        found = [check() for check in (*general, *self._of_runner())]
        return [*found, *_until_red(warming)]

    def _of_runner(self) -> list[Check]:
        runner = self._runner
        if isinstance(runner, AgentRunner):
            configs = [lambda path=path: _config(path) for path in set(runner.configs.values())]
            return [
                lambda: Probe(runner.name, f"{runner.engine.version}, protocol {runner.engine.protocol}"),
                *configs,
                lambda: agent_credentials(runner, own=self._own, env=self._env),
                self._mode,
            ]
        if isinstance(runner, CliRunner):
            way = "takes session ids" if runner.cli.takes_id else "resumes laid-out sessions"
            return [
                lambda: Probe(runner.name, f"{runner.cli.path}, {way}"),
                lambda: cli_credentials(runner, project_root=self._root, own=self._own, env=self._env),
            ]
        return [lambda: Probe(runner.name, "needs nothing more")]

    def _mode(self) -> Probe:
        assert isinstance(self._runner, AgentRunner)
        if "--mode" not in self._runner.engine.options:
            return Probe("mode", "the agent has none: validators could write", warning=True)
        try:
            modes.lay_out(self._root)
        except OSError as error:
            text = f"can't write {modes.PLACE}: {error.strerror}"
            return Probe("mode", text, ok=False, hint="make it writable: validators need it")
        return Probe("mode", f"validators only read ({modes.PLACE})")

    def _warming(self) -> list[Check]:
        """What takes long and must not run twice at once: cold caches race."""
        if not isinstance(self._runner, AgentRunner):
            return []
        return [lambda: self._told("prepare", timeout_s=PREPARE_S), lambda: self._told("doctor", "--strict")]

    def _told(self, *words: str, timeout_s: float = ANSWER_S) -> Probe:
        assert isinstance(self._runner, AgentRunner)
        if words[0] == "prepare":
            _log.info("preparing amplifier-agent, which takes a minute the first time")
        answer = ask([self._runner.engine.path, *words], env=self._env, cwd=self._root, timeout_s=timeout_s)
        name = f"amplifier-agent {words[0]}"
        if answer.code == 0:
            return Probe(name, "ok")
        return Probe(
            name, answer.said, ok=False, hint=f"run `amplifier-agent {' '.join(words)}` and mend what it says"
        )

    def _key(self) -> str:
        """Changes with whatever could change the answer."""
        assert isinstance(self._runner, AgentRunner)
        engine = self._runner.engine
        changed = Path(engine.path).stat().st_mtime_ns
        return f"{engine.path} {changed} {engine.version} {self._runner.home}"


def _until_red(checks: Sequence[Check]) -> list[Probe]:
    found: list[Probe] = []
    for check in checks:
        found.append(check())
        if not found[-1].ok:
            break
    return found


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
