"""A new git folder, written without git: what `git init` makes, and the objects of other repositories to read."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PLAIN_PATH: Final = re.compile(rb"[^\"#\n\\][^\n\\]*")


@dataclass(frozen=True, slots=True)
class GitFolder:
    """The content of a new git folder; `head` is the commit of its branch, empty for an unborn branch."""

    object_format: str
    bare: bool
    settings: Mapping[str, str]
    branch: str
    head: str = ""
    refs: Mapping[str, str] = field(default_factory=dict)
    exclude: bytes = b""
    attributes: bytes = b""
    shallow: bytes = b""
    alternates: Sequence[Path] = ()

    @staticmethod
    def write_alternates(folder: Path, objects: Sequence[Path]) -> None:
        """Writes the folders of objects that the git folder reads beside its own."""
        info = folder / "objects" / "info"
        info.mkdir(parents=True, exist_ok=True)
        _replace(info / "alternates", b"".join(_alternate(os.fsencode(path)) + b"\n" for path in objects))


def write_git_folder(path: Path, folder: GitFolder) -> None:
    """Writes the folder. Raises FileExistsError if it exists."""
    path.mkdir()
    for name in ("objects/pack", "refs/heads", "info"):
        (path / name).mkdir(parents=True)
    (path / "HEAD").write_text(f"ref: refs/heads/{folder.branch}\n")
    write_settings(path, folder)
    refs = {**folder.refs, f"refs/heads/{folder.branch}": folder.head}
    for name, commit in refs.items():
        if commit:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(f"{commit}\n")
    (path / "info" / "exclude").write_bytes(folder.exclude)
    (path / "info" / "attributes").write_bytes(folder.attributes)
    if folder.shallow:
        (path / "shallow").write_bytes(folder.shallow)
    folder.write_alternates(path, folder.alternates)


def write_settings(path: Path, folder: GitFolder) -> None:
    """Writes the settings of a git folder in place of those that it has."""
    _replace(path / "config", _config(folder).encode(errors="surrogateescape"))


def _config(folder: GitFolder) -> str:
    # Settings of the form `extensions.…` need version 1.
    version = {"core.repositoryformatversion": "0", "core.bare": "true" if folder.bare else "false"}
    if folder.object_format != "sha1":
        version = {
            **version,
            "core.repositoryformatversion": "1",
            "extensions.objectFormat": folder.object_format,
        }
    return "".join(_setting(name, value) for name, value in {**version, **folder.settings}.items())


def _setting(name: str, value: str) -> str:
    """Returns one setting; the name has two parts, or three with a plain word in the middle."""
    section, *middle, key = name.split(".")
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    head = f'[{section} "{middle[0]}"]' if middle else f"[{section}]"
    return f'{head}\n\t{key} = "{quoted}"\n'


def _alternate(path: bytes) -> bytes:
    """Returns a line of the file; git reads a quoted path as in C, and takes a first `#` for a comment."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    escaped = b"".join(b"\\%03o" % byte if byte in b'"\\\n' else bytes([byte]) for byte in path)
    return b'"' + escaped + b'"'


def _replace(path: Path, content: bytes) -> None:
    """Replaces a file that a session may have turned into a link: the link goes, and its target stays."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)
