"""The `amplifier-agent` runner: one process a turn, its prompt in the command line, its answer an envelope.

Its one rule: the session's id is ours and unique, since the engine neither checks nor locks it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_worker.domain.types import Role
from swarm_worker.runners import validator_mode
from swarm_worker.runners.base import Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader

# Linux takes at most 128 KiB in one argument; this leaves room.
PROMPT_BYTES: Final = 100 * 1024
# Without these there is no driving it; the rest is left out where a version has not got it.
NEEDED: Final = ("--session-id", "--output")
OPTIONAL: Final = ("--config", "--protocol-version", "--display", "--workspace", "--mode")


@dataclass(frozen=True, slots=True)
class Engine:
    """The program that was found, and what it can do."""

    path: str
    version: str
    protocol: str
    options: frozenset[str] = frozenset(OPTIONAL)


class AgentRunner(Runner):
    """Starts `amplifier-agent run`."""

    name = "amplifier-agent"
    boot_s = 10.0

    def __init__(
        self, engine: Engine, *, configs: Mapping[Role, Path], env: Mapping[str, str], cwd: Path
    ) -> None:
        self.engine = engine
        self.configs = configs
        home = Path(env.get("HOME", "~")).expanduser()
        own = env.get("AMPLIFIER_AGENT_HOME")
        self.home = cwd / Path(own).expanduser() if own else home / ".amplifier-agent"

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        """The order is the engine's contract."""
        argv = [self.engine.path, "run", "--session-id", plan.session_id]
        argv += ["--resume" if plan.resumed else "--fresh", "--cwd", str(plan.project_root)]
        if config := self.configs.get(plan.role):
            argv += ["--config", str(config)]
        argv += ["--output", "json"]
        argv += self._if_known("--protocol-version", self.engine.protocol)
        argv += self._if_known("--display", "ndjson")
        argv += self._if_known("--workspace", _workspace(plan))
        if plan.role is Role.VALIDATOR:
            argv += self._if_known("--mode", validator_mode.MODE)
        return [*argv, "-y", "--", _prompt(plan)]

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.envelope import EnvelopeReader  # noqa: PLC0415  # see Runner.reader

        return EnvelopeReader(plan)

    def stdin(self, plan: SessionPlan) -> bytes | None:
        return None

    def prepare(self, plan: SessionPlan) -> None:
        """Each time, since a builder may have cleaned the project's folder."""
        if plan.role is Role.VALIDATOR and "--mode" in self.engine.options:
            validator_mode.lay_out(plan.project_root)

    def resumable(self, plan: SessionPlan) -> bool:
        """The engine itself would start blank on an id that it does not know, and say nothing."""
        workspaces = self.home / "state" / "workspaces"
        return (workspaces / _workspace(plan) / "sessions" / plan.session_id / "transcript.jsonl").is_file()

    def _if_known(self, option: str, value: str) -> list[str]:
        return [option, value] if option in self.engine.options and value else []


def engine_of(path: str, *, version: str, help_text: str) -> Engine:
    """What its own words say that it is; raises ValueError where they say nothing."""
    told = json.loads(version)
    if not isinstance(told, dict) or not isinstance(told.get("protocolVersion"), str):
        raise ValueError("no protocolVersion")  # noqa: TRY004  # JSON that is wrong is wrong, whatever its type
    if missing := [option for option in NEEDED if help_text and option not in help_text]:
        raise ValueError(f"it has no {missing[0]}")
    options = frozenset(option for option in OPTIONAL if not help_text or option in help_text)
    return Engine(path, str(told.get("version", "?")), told["protocolVersion"], options)


def _workspace(plan: SessionPlan) -> str:
    return f"swarm-{plan.swarm_id}" if plan.swarm_id else "swarm"


def _prompt(plan: SessionPlan) -> str:
    """What stands in the command line, which holds neither NULs nor every length."""
    text = plan.prompt.replace("\0", "\ufffd").encode(errors="replace").decode()
    if len(text.encode()) <= PROMPT_BYTES:
        return text
    return (
        f"Your whole task stands in the file {plan.prompt_file}, which is too long for a message. Read all of it"
        " first, in parts if need be, and then do exactly what it says; end your reply as it demands."
    )
