"""The folders for the state of a project: outside the project, one for each.

Invariant: by default nothing that gives access to a swarm lies in the project. Sessions work there, and git
and other tools collect, publish or remove what lies there.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import sha256_hex
from amplifier_swarm.program import check_working_directory

# Stands for the state folder of the project in the defaults of flags; `ProjectState.path` replaces it.
STATE: Final = Path("<state>")
# The folder in the project itself: prompts, which are committed, and the address of the running server.
PROJECT_FOLDER: Final = Path(".swarm")
PROMPTS: Final = "prompts"
ADDRESS: Final = "address"
# The path of the certificate of the CA that the running server has made, beside its address.
ADDRESS_CA: Final = "address-ca"
# The folder of that CA.
TLS: Final = "tls"
TOKEN: Final = "token"  # noqa: S105  # a file name
DATABASE: Final = "swarm.db"
DB_LOCK: Final = f"{DATABASE}.lock"
# The path of the database of the latest `run` that was started in a folder or for it.
RUN_DB: Final = "run-db"
STOP_FILE: Final = "EMERGENCY_STOP"
WORKER_TOKEN: Final = "worker-token"  # noqa: S105  # a file name
LOGS: Final = "logs"
# `run` keeps its workers' state here; a worker of its own accord uses the second.
RUN_WORKERS: Final = "workers"
WORKER: Final = "worker"
# The names beside a database, apart from those that begin with the database's own.
STATE_FILES: Final = frozenset(
    {
        "EPOCH",
        "project",
        RUN_DB,
        TOKEN,
        ADDRESS,
        ADDRESS_CA,
        TLS,
        STOP_FILE,
        WORKER_TOKEN,
        LOGS,
        RUN_WORKERS,
        WORKER,
        PROMPTS,
    }
)
# Whatever is ours is never committed, stashed or cleaned away; a project's own prompts may be committed.
IGNORE_FILE: Final = ".gitignore"
IGNORE_ALL: Final = "# Made by amplifier-swarm: private state, not for git.\n*\n"
_IGNORE_BUT_PROMPTS: Final = f"{IGNORE_ALL}!{PROMPTS}/\n!{PROMPTS}/**\n"
_NAME_LIMIT: Final = 40
_HASH_DIGITS: Final = 12
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ProjectState:
    """The state of one project. `folder` lies outside the project unless an earlier version's is in use."""

    project: Path
    folder: Path
    db_name: str = DATABASE

    @property
    def db(self) -> Path:
        """The database in the folder."""
        return self.folder / self.db_name

    def path(self, setting: Path) -> Path:
        """Returns the setting, with `<state>` replaced by the folder."""
        return self.folder / setting.relative_to(STATE) if setting.is_relative_to(STATE) else setting

    def server_address(self) -> str | None:
        """Returns the address of the server that runs for this project; None if none does."""
        try:
            address = (self.folder / ADDRESS).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        return address if address and self.served() else None

    def served(self) -> bool:
        """Returns whether a server has the database open."""
        try:
            pid = int(self.db.with_name(f"{self.db_name}.lock").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False
        return Path("/proc", str(pid)).exists()

    def note_run(self, folder: Path) -> None:
        """Notes, in the state of a folder, that its latest run has this database."""
        with suppress(OSError):
            state = project_state(folder)
            make_state_folder(state)
            _write(state.folder / RUN_DB, f"{self.db}\n", errors="surrogateescape")

    def server_ca(self) -> Path | None:
        """Returns the certificate of the CA that the running server has made itself; None if it has made none."""
        try:
            text = (self.folder / ADDRESS_CA).read_text(encoding="utf-8", errors="surrogateescape").strip()
        except OSError:
            return None
        return Path(text) if text and self.server_address() else None

    @contextmanager
    def announced(self, address: str, *, ca: Path | None = None) -> Iterator[None]:
        """Publishes the address of the server inside the context: for swarmctl, and in the project for people.

        `ca` is the file of the CA that the server has made itself.

        swarmctl never reads the file in the project: a session could write another address there and would be
        sent the operator's token. A project that can't be written is left alone.
        """
        with suppress(OSError):
            make_state_folder(self)
            (self.folder / ADDRESS_CA).unlink(missing_ok=True)
            if ca is not None:
                _write(self.folder / ADDRESS_CA, f"{ca}\n", errors="surrogateescape")
            _write(self.folder / ADDRESS, f"{address}\n")
            _write(project_folder(self.project) / ADDRESS, f"{address}\n")
        try:
            yield
        finally:
            self._withdraw(address)

    def _withdraw(self, address: str) -> None:
        """Removes the address, unless another server has published its own since."""
        for file in (self.folder / ADDRESS, self.project / PROJECT_FOLDER / ADDRESS):
            try:
                if file.read_text(encoding="ascii").strip() == address:
                    file.unlink()
            except (OSError, ValueError):
                continue


def state_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder for the state of all projects of this user, by the XDG base directory specification.

    Raises:
        ProgramExit: This user has no home folder.
    """
    base = environ.get("XDG_STATE_HOME", "")
    if not Path(base).is_absolute():
        base = environ.get("HOME", "")
        try:
            home = Path(base) if Path(base).is_absolute() else Path.home()
        except RuntimeError as error:
            raise ProgramExit(
                ExitCode.USAGE,
                "no folder for the state: this user has no home folder",
                hint="set HOME or XDG_STATE_HOME, or name the places by flags",
            ) from error
        base = str(home / ".local" / "state")
    return Path(base) / "amplifier-swarm"


def working_folder() -> Path:
    """Returns the working directory; raises ProgramExit if it has been removed."""
    check_working_directory()
    return Path.cwd()


def project_state(project: Path, environ: Mapping[str, str] = os.environ) -> ProjectState:
    """Returns the state of a project: `HASH-NAME` of its real path, in the folder of all states."""
    real = Path(os.path.realpath(project))
    digest = sha256_hex(str(real))[:_HASH_DIGITS]
    name = _UNSAFE.sub("_", real.name)[:_NAME_LIMIT].strip("._")
    folder = state_home(environ) / (f"{digest}-{name}" if name else digest)
    return ProjectState(real, folder)


def latest_run(folder: Path) -> ProjectState | None:
    """Returns the state of the latest run that was started in the folder or for it; None if its database is gone."""
    state = project_state(folder)
    try:
        text = (state.folder / RUN_DB).read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return None
    db = Path(text)
    return ProjectState(state.project, db.parent, db.name) if text and db.is_file() else None


def states_from(start: Path) -> Iterator[ProjectState]:
    """Yields the states of a folder and of its parents, the nearest first."""
    for folder in (start, *start.parents):
        yield project_state(folder)


def make_state_folder(state: ProjectState) -> None:
    """Makes the state folder for its owner alone, and notes the project in it for people.

    Raises:
        ProgramExit: The folder belongs to another user, who could read and replace the state.
    """
    make_private_folder(state.folder)
    if state.folder.stat().st_uid != os.getuid():
        raise ProgramExit(
            ExitCode.USAGE,
            f"the state folder {state.folder} belongs to another user",
            hint="set XDG_STATE_HOME to a folder of this user",
        )
    note = state.folder / "project"
    if not note.exists():
        _write(note, f"{state.project}\n", errors="surrogateescape")


def make_private_folder(path: Path) -> None:
    """Makes a folder, with its missing parents, that only this user may read."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def project_folder(project: Path) -> Path:
    """Makes `.swarm/` in the project with a `.gitignore` for everything in it but prompts."""
    folder = project / PROJECT_FOLDER
    if folder.is_symlink():
        # A link that came with the project could point to any folder of this user.
        raise NotADirectoryError(f"{folder} is a link")
    folder.mkdir(mode=0o700, exist_ok=True)
    keep_from_git(folder)
    return folder


def keep_from_git(folder: Path) -> None:
    """Writes a `.gitignore` for everything in a folder of ours, unless the folder has one."""
    file = folder / IGNORE_FILE
    if not file.exists():
        _write(file, _IGNORE_BUT_PROMPTS if folder.name == PROJECT_FOLDER.name else IGNORE_ALL)


def shield_from_git(folder: Path, *, is_ours: Callable[[str], bool]) -> str:
    """Keeps git away from a state folder; returns a warning if that is not possible, else an empty text.

    A folder with other files gets no `.gitignore`: git would ignore those files too.
    """
    try:
        names = {path.name for path in folder.iterdir()} - {IGNORE_FILE}
        if folder.name == PROJECT_FOLDER.name or all(is_ours(name) for name in names):
            keep_from_git(folder)
            return ""
    except OSError as error:
        return f"git may take the state in {folder}: {IGNORE_FILE} can't be written ({error.strerror})"
    tree = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    if tree is None:
        return ""
    return f"the state lies among other files of the git work tree {tree}, where git may take it"


def shield_database(db: Path) -> str:
    """Keeps git away from the folder of a database; returns a warning as `shield_from_git` does."""
    own = (f"{db.name}-", f"{db.name}.", f".{db.name}", ".backup-")
    names = STATE_FILES | {db.name}
    return shield_from_git(db.parent, is_ours=lambda name: name in names or name.startswith(own))


def _write(path: Path, text: str, *, errors: str = "strict") -> None:
    """Writes a private file, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8", errors=errors) as file:
        file.write(text)
    draft.replace(path)
