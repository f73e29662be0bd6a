"""The properties of a source repository that its clones take over: places, formats, plain settings, lists of files."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from swarm_worker.workspace.git_runner import GitCommands, GitFailure
from swarm_worker.workspace.git_safety import PLAIN_SETTINGS

SWARM_IDENTITY: Final[Mapping[str, str]] = {
    "user.name": "Amplifier Swarm",
    "user.email": "swarm@localhost.invalid",
}
_FILTER: Final = re.compile(r"filter\.(.+)\.(?:clean|smudge|process|required)", re.DOTALL)
# Some objects of such a repository are only on a remote, from which git would fetch them one by one.
_PROMISED: Final = re.compile(
    r"extensions\.partialclone|remote\..+\.(?:promisor|partialclonefilter)", re.DOTALL
)
_LIST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The properties of a source; `settings` holds plain settings only, and always an identity."""

    git_dir: Path
    objects: Path
    object_format: str
    settings: Mapping[str, str] = field(default_factory=dict)
    # The names of the filters, such as `lfs`: programs that git would run on the content of files.
    filters: frozenset[str] = frozenset()
    filter_keys: tuple[str, ...] = ()
    partial: bool = False
    # The contents of the user's own lists in `.git/info`, and of `.git/shallow`.
    exclude: bytes = b""
    attributes: bytes = b""
    shallow: bytes = b""

    @property
    def without_filters(self) -> dict[str, str]:
        """The variables that switch every filter off, for a git that works on the user's own files."""
        pairs = [(key, "false" if key.endswith(".required") else "") for key in self.filter_keys]
        numbered = {
            name: text
            for number, (key, value) in enumerate(pairs)
            for name, text in ((f"GIT_CONFIG_KEY_{number}", key), (f"GIT_CONFIG_VALUE_{number}", value))
        }
        return {**numbered, "GIT_CONFIG_COUNT": str(len(pairs))}


async def read_facts(git: GitCommands) -> SourceFacts:
    """Reads the facts of a repository. Raises GitFailure if git can't."""
    text = await git.text(
        "rev-parse",
        "--path-format=absolute",
        "--git-common-dir",
        "--git-path",
        "objects",
        "--show-object-format",
    )
    lines = text.split("\n")
    if len(lines) != 3:
        raise GitFailure("the path of the repository contains a newline, which git can't borrow objects from")
    git_dir = Path(lines[0])
    config = _parse_config((await git.run("config", "--null", "--list")).stdout)
    keys = tuple(sorted(key for key in config if _FILTER.fullmatch(key)))
    return SourceFacts(
        git_dir,
        Path(lines[1]),
        lines[2],
        {**SWARM_IDENTITY, **{name: config[name] for name in PLAIN_SETTINGS if config.get(name)}},
        frozenset(found[1] for key in keys if (found := _FILTER.fullmatch(key))),
        keys,
        any(_PROMISED.fullmatch(key) for key in config),
        _read(git_dir / "info" / "exclude"),
        _read(git_dir / "info" / "attributes"),
        _read(git_dir / "shallow"),
    )


def _parse_config(output: bytes) -> dict[str, str]:
    """Parses `key NEWLINE value NUL` entries; the last value of a key counts, and a key without a value is true."""
    config = {}
    for entry in output.split(b"\0")[:-1]:
        key, found, value = os.fsdecode(entry).partition("\n")
        config[key] = value if found else "true"
    return config


def _read(path: Path) -> bytes:
    """Returns the content of a list, empty if it is absent, not a regular file or too large."""
    try:
        # The file may be a FIFO; without O_NONBLOCK, open would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb", buffering=0) as file:
            content = file.read(_LIST_BYTES + 1) or b""
    except OSError:
        return b""
    return content if len(content) <= _LIST_BYTES else b""
