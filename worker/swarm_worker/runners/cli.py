"""The `amplifier` runner: the command-line program that people use, the prompt on stdin, the answer one JSON document.

Invariants: the session's id is known before the process starts. If the program has no option for the id, the
runner writes the metadata of a session with that id and has the program resume it. No new session begins with the
transcript of another: the program keeps all sessions of a project in one place, whichever swarm they belong to.
"""

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amplifier_swarm import text_files
from swarm_worker.domain.types import Role
from swarm_worker.runners.base import DEFAULT_AGENTS, Runner, SessionPlan

if TYPE_CHECKING:
    from swarm_worker.runners.reader import OutputReader

# The program's bundle if none is chosen.
DEFAULT_BUNDLE: Final = "anchors"


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

    @property
    def session_folders(self) -> Sequence[Path]:
        return (self.home,)

    def argv(self, plan: SessionPlan) -> Sequence[str]:
        chosen = self.bundles[plan.role]
        bundle = ["-B", chosen] if chosen else []
        by_id = self.cli.takes_id and not plan.resumed
        session = ["--session-id" if by_id else "--resume", self.backend_session(plan)]
        return [self.cli.path, "run", *bundle, "--mode", "single", "--output-format", "json", *session]

    def reader(self, plan: SessionPlan) -> "OutputReader":
        from swarm_worker.runners.cli_reader import CliReader  # noqa: PLC0415  # see Runner.reader

        return CliReader(plan)

    def backend_session(self, plan: SessionPlan) -> str:
        """Returns the id with that of the swarm: a second swarm has the same tasks, attempts and epochs."""
        return f"{plan.session_id}-{plan.swarm_id}" if plan.swarm_id else plan.session_id

    def bundles_in_use(self, project_root: Path) -> Mapping[str, str]:
        """Returns the bundles that sessions of the project use, by the flag's value; "" stands for no flag."""
        return {
            chosen: chosen or active_bundle(self.home, project_root) or DEFAULT_BUNDLE
            for chosen in self.bundles.values()
        }

    def offers_agent(self, agent: str, project_root: Path) -> bool:
        """Returns whether all bundles in use have that agent, as far as their names tell; agents have full names."""
        bundle, _, name = agent.rpartition(":")
        used = set(self.bundles_in_use(project_root).values())
        return used == {bundle} and (name in DEFAULT_AGENTS or bundle != DEFAULT_BUNDLE)

    def prepare(self, plan: SessionPlan) -> None:
        """Moves an older session of that id aside, and writes the metadata of the session to resume.

        The metadata names the bundle, since a resume does not look up the active one.
        """
        if plan.resumed:
            return
        folder = self._folder(plan)
        _move_aside(folder)
        if self.cli.takes_id:
            return
        bundle = self.bundles[plan.role] or active_bundle(self.home, plan.project_root)
        metadata = {"session_id": folder.name} | ({"bundle": f"bundle:{bundle}"} if bundle else {})
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")

    def progress_file(self, plan: SessionPlan) -> Path | None:
        return self._folder(plan) / "events.jsonl"

    def resumable(self, plan: SessionPlan) -> bool:
        return (self._folder(plan) / "transcript.jsonl").is_file()

    def _folder(self, plan: SessionPlan) -> Path:
        return self.home / "projects" / _slug(plan.project_root) / "sessions" / self.backend_session(plan)


def _move_aside(folder: Path) -> None:
    """Gives an existing folder another name, as after the same backup was restored in two places.

    Raises:
        OSError: the folder can't be renamed.
    """
    number = 1
    while folder.exists():
        try:
            folder.rename(folder.with_name(f"{folder.name}-old{number}"))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        number += 1


def active_bundle(home: Path, project_root: Path) -> str:
    """Returns the active bundle of the user's settings, empty if there is none; the nearest file wins."""
    for settings in settings_of(home, project_root):
        chosen = settings.get("bundle")
        if isinstance(chosen, dict) and isinstance(chosen.get("active"), str):
            return str(chosen["active"])
    return ""


def settings_of(home: Path, project_root: Path) -> Iterator[Mapping[str, Any]]:
    """Yields the settings files that can be parsed, the nearest first."""
    for path in settings_files(home, project_root):
        try:
            settings = read_settings(path)
        except (OSError, ValueError):  # see preflight.cli, which refuses a broken file
            continue
        if isinstance(settings, dict):
            yield settings


def settings_files(home: Path, project_root: Path) -> Sequence[Path]:
    """Returns the places of settings files, the nearest first; `home` is the program's own folder."""
    own = project_root / ".amplifier"
    return (own / "settings.local.yaml", own / "settings.yaml", home / "settings.yaml")


def read_settings(path: Path) -> object:
    """Returns the content of a settings file.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is not YAML.
    """
    import yaml  # noqa: PLC0415  # 2 MiB that only workers with this runner need

    try:
        return yaml.safe_load(text_files.read(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{getattr(error, 'problem', None) or 'it is not YAML'}{place}") from error


def _slug(project_root: Path) -> str:
    """Returns the project's name, derived from its folder in the same way as the program does."""
    slug = str(project_root.resolve()).replace("/", "-").replace("\\", "-").replace(":", "")
    return slug if slug.startswith("-") else f"-{slug}"
