"""The `amplifier` runner: the command-line program that people use, the prompt on stdin, the answer one JSON document.

Invariant: the session's id is known before the process starts. If the program has no option for the id, the
runner writes the metadata of a session with that id and has the program resume it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amplifier_swarm import text_files
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader


@dataclass(frozen=True, slots=True)
class Cli:
    """The installed `amplifier` and whether it has an option for the session's id."""

    path: str
    takes_id: bool


class CliRunner(Runner):
    """The runner that starts `amplifier run`."""

    name = "amplifier"
    boot_s = 10.0
    has_trials = True

    def __init__(self, cli: Cli, *, bundle: str, validator_bundle: str = "", env: Mapping[str, str]) -> None:
        self.cli = cli
        # Empty for the active bundle of the user's settings.
        self.bundles = {Role.BUILDER: bundle, Role.VALIDATOR: validator_bundle or bundle}
        self.home = Path(env.get("HOME", "~")).expanduser() / ".amplifier"

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        chosen = self.bundles[plan.role]
        bundle = ["-B", chosen] if chosen else []
        by_id = self.cli.takes_id and not plan.resumed
        session = ["--session-id" if by_id else "--resume", plan.session_id]
        return [self.cli.path, "run", *bundle, "--mode", "single", "--output-format", "json", *session]

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.cli_reader import CliReader  # noqa: PLC0415  # see Runner.reader

        return CliReader(plan)

    def prepare(self, plan: SessionPlan) -> None:
        """Writes the metadata of the session to resume, with its bundle: a resume does not look up the active one."""
        if self.cli.takes_id or plan.resumed:
            return
        bundle = self.bundles[plan.role] or active_bundle(self.home, plan.project_root)
        metadata = {"session_id": plan.session_id} | ({"bundle": f"bundle:{bundle}"} if bundle else {})
        folder = self._folder(plan)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")

    def progress_file(self, plan: SessionPlan) -> Path | None:
        return self._folder(plan) / "events.jsonl"

    def resumable(self, plan: SessionPlan) -> bool:
        return (self._folder(plan) / "transcript.jsonl").is_file()

    def _folder(self, plan: SessionPlan) -> Path:
        return self.home / "projects" / _slug(plan.project_root) / "sessions" / plan.session_id


def active_bundle(home: Path, project_root: Path) -> str:
    """Returns the active bundle of the user's settings, empty if there is none; the nearest file wins."""
    for settings in settings_of(home, project_root):
        chosen = settings.get("bundle")
        if isinstance(chosen, dict) and isinstance(chosen.get("active"), str):
            return str(chosen["active"])
    return ""


def settings_of(home: Path, project_root: Path) -> Iterator[Mapping[str, Any]]:
    """Yields the settings files that can be parsed, the nearest first."""
    import yaml  # noqa: PLC0415  # 2 MiB that only workers with this runner need

    own = project_root / ".amplifier"
    for path in (own / "settings.local.yaml", own / "settings.yaml", home / "settings.yaml"):
        try:
            settings = yaml.safe_load(text_files.read(path))
        except (OSError, ValueError, yaml.YAMLError):  # the program itself reports a broken settings file
            continue
        if isinstance(settings, dict):
            yield settings


def _slug(project_root: Path) -> str:
    """Returns the project's name, derived from its folder in the same way as the program does."""
    slug = str(project_root.resolve()).replace("/", "-").replace("\\", "-").replace(":", "")
    return slug if slug.startswith("-") else f"-{slug}"
