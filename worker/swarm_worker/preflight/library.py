"""The preflight of the `amplifier-agent` runner over the library: an agent is created and closed for each role.

Invariant: nothing is spent, since no model is asked. Probes say what they did not prove.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from swarm_worker.domain.types import Role
from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import ALL_KEYS
from swarm_worker.preflight.probe import Probe, ProbeFunction
from swarm_worker.runners.discovery import ask_library
from swarm_worker.runners.library import LibraryRunner

DEFAULT_PROVIDER: Final = "the library's default provider"
UNPROVEN: Final = "not proven: that the provider takes the key and has the model; the first session shows it"
# The check makes a folder of its own.
NO_SESSIONS: Final = Path("unused")


class LibraryPreflight(Preflight):
    """Probes of the interpreter, of the library, and of an agent with the configuration of each role."""

    @property
    def _library(self) -> LibraryRunner:
        assert isinstance(self._runner, LibraryRunner)
        return self._runner

    def _runner_probes(self) -> list[ProbeFunction]:
        runner, found = self._library, self._library.library
        text = f"library {found.version} under Python {found.python_version}, {found.python}"
        # Without a file of its own, a role is configured as every other one.
        roles = {runner.configs.get(role): role for role in (Role.VALIDATOR, Role.BUILDER)}
        agents = [lambda role=role: self._probe_agent(role) for role in reversed(roles.values())]
        return [lambda: Probe(runner.name, text), self._probe_sessions, *agents, _probe_tools]

    def _probe_sessions(self) -> Probe:
        """Makes the folder in which the library keeps the conversations of this worker's sessions."""
        folder = self._library.swarms
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"{folder} can't be made: {error.strerror}"
            return Probe("conversations", text, ok=False, hint="set HOME to a folder that is yours")
        if not os.access(folder, os.W_OK):
            text = f"{folder} is not writable"
            return Probe("conversations", text, ok=False, hint="see who owns it, and its mode")
        return Probe("conversations", f"kept in {folder}")

    def _probe_agent(self, role: Role) -> Probe:
        """Creates an agent and closes it, as a session of that role would."""
        name = f"agent of the {role}" if self._library.configs else "agent"
        argv = self._library.library.argv("check", *self._library.setting(role, self._root, NO_SESSIONS))
        try:
            answer = ask_library(argv, env=self._env, cwd=self._root)
        except ValueError as error:
            hint = "run the same Python by hand and see what it says"
            return Probe(name, str(error), ok=False, hint=hint)
        if fault := answer.get("fault"):
            return self._fault(name, fault)
        provider = str(answer.get("provider") or DEFAULT_PROVIDER)
        models = answer.get("models")
        if isinstance(models, int):
            return Probe(name, f"created; {provider} takes the key and lists {models} models")
        return Probe(name, f"created for {provider}; {UNPROVEN}")

    def _fault(self, name: str, fault: Mapping[str, Any]) -> Probe:
        remedy = str(fault.get("remedy") or "see docs/amplifier.md")
        text = f"{fault.get('message')} {remedy}"
        for key in ALL_KEYS:
            if key in text and self._own.get(key) and not self._env.get(key):
                text = f"{key} is set here, but sessions do not get it"
                return Probe(name, text, ok=False, hint=f"add --pass-env {key}")
        return Probe(name, f"{fault.get('code')}: {fault.get('message')}", ok=False, hint=remedy)


def _probe_tools() -> Probe:
    text = "validators have no tool that writes files; a command in bash still can"
    return Probe("validators", text)
