"""The `amplifier-agent` runner: one process a turn, the prompt in its command line, the answer in an envelope.

Invariant: the worker chooses the session's id and never uses an id twice: the engine neither checks nor locks ids.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_worker.domain.types import Role
from swarm_worker.runners import validator_mode
from swarm_worker.runners.base import DEFAULT_AGENTS, Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader

# Linux allows 128 KiB in one argument; this leaves room.
PROMPT_BYTES: Final = 100 * 1024
# The runner needs the required options; an optional one is left out if the installed version lacks it.
REQUIRED_OPTIONS: Final = ("--session-id", "--output")
OPTIONAL_OPTIONS: Final = ("--config", "--protocol-version", "--display", "--workspace", "--mode")


@dataclass(frozen=True, slots=True)
class Engine:
    """The installed `amplifier-agent` and the options that it has."""

    path: str
    version: str
    protocol: str
    options: frozenset[str] = frozenset(OPTIONAL_OPTIONS)


class AgentRunner(Runner):
    """The runner that starts `amplifier-agent run`."""

    name = "amplifier-agent"
    boot_s = 10.0
    has_trials = True

    def __init__(
        self, engine: Engine, *, configs: Mapping[Role, Path], env: Mapping[str, str], cwd: Path
    ) -> None:
        self.engine = engine
        self.configs = configs
        home = Path(env.get("HOME", "~")).expanduser()
        own = env.get("AMPLIFIER_AGENT_HOME")
        self.home = cwd / Path(own).expanduser() if own else home / ".amplifier-agent"

    @property
    def session_folders(self) -> Sequence[Path]:
        return (self.home,)

    @property
    def needed_paths(self) -> Sequence[Path]:
        return tuple(self.configs.values())

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        """Returns the command line; its order is the engine's contract."""
        argv = [self.engine.path, "run", "--session-id", plan.session_id]
        argv += ["--resume" if plan.resumed else "--fresh", "--cwd", str(plan.project_root)]
        if config := self.configs.get(plan.role):
            argv += ["--config", str(config)]
        argv += ["--output", "json"]
        argv += self._supported("--protocol-version", self.engine.protocol)
        argv += self._supported("--display", "ndjson")
        argv += self._supported("--workspace", _workspace_name(plan))
        if plan.role is Role.VALIDATOR:
            argv += self._supported("--mode", validator_mode.MODE)
        return [*argv, "-y", "--", _prompt_argument(plan)]

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.envelope import EnvelopeReader  # noqa: PLC0415  # see Runner.reader

        return EnvelopeReader(plan)

    def stdin(self, plan: SessionPlan) -> bytes | None:
        return None

    def prepare(self, plan: SessionPlan) -> None:
        """Writes the validator's mode file before each session: a builder may have removed it."""
        if plan.role is Role.VALIDATOR and "--mode" in self.engine.options:
            validator_mode.write_mode_file(plan.project_root)

    def resumable(self, plan: SessionPlan) -> bool:
        """Returns whether the engine has the session's transcript; without it, the engine starts a blank session."""
        workspaces = self.home / "state" / "workspaces"
        session = workspaces / _workspace_name(plan) / "sessions" / plan.session_id
        return (session / "transcript.jsonl").is_file()

    def offers_agent(self, agent: str, project_root: Path) -> bool:
        return agent in DEFAULT_AGENTS

    def _supported(self, option: str, value: str) -> list[str]:
        return [option, value] if option in self.engine.options and value else []


def parse_engine(path: str, *, version: str, help_text: str) -> Engine:
    """Parses the engine's answers to `version --json` and `run --help`.

    An empty `help_text` counts as unknown; the engine then passes as one with every option.

    Raises:
        ValueError: the version is not JSON with a `protocolVersion`, or a required option is missing.
    """
    document = json.loads(version)
    if not isinstance(document, dict) or not isinstance(document.get("protocolVersion"), str):
        raise ValueError("no protocolVersion")  # noqa: TRY004  # callers handle one error for any wrong JSON
    if missing := [option for option in REQUIRED_OPTIONS if help_text and option not in help_text]:
        raise ValueError(f"it has no {missing[0]}")
    options = frozenset(option for option in OPTIONAL_OPTIONS if not help_text or option in help_text)
    return Engine(path, str(document.get("version", "?")), document["protocolVersion"], options)


def _workspace_name(plan: SessionPlan) -> str:
    return f"swarm-{plan.swarm_id}" if plan.swarm_id else "swarm"


def _prompt_argument(plan: SessionPlan) -> str:
    """Returns the prompt, or a reference to its file if it is too long for an argument."""
    text = plan.prompt.replace("\0", "\ufffd").encode(errors="replace").decode()
    if len(text.encode()) <= PROMPT_BYTES:
        return text
    return (
        f"Your whole task is in the file {plan.prompt_file}, which is too long for a message. Read all of it"
        " first, in parts if need be, and then do exactly what it says; end your reply as it demands."
    )
