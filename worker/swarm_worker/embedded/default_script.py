"""The script of a task that has no script of its own.

The builder writes each declared file that is missing, plainly marked as a rehearsal's, and leaves existing files
alone. The validator reads every declared file.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Final

from swarm_worker.embedded.paths import PathEscape, resolve_inside
from swarm_worker.embedded.task import Call, EmbeddedRole, EmbeddedTask, Script

MARK: Final = "Rehearsal output of Amplifier Swarm's offline provider; no model wrote this."
# The file that creates a declared folder.
FOLDER_FILE: Final = "REHEARSAL.md"

_SLASHES: Final = ("// ", "")
_ANGLES: Final = ("<!-- ", " -->")
_STARS: Final = ("/* ", " */")
_DASHES: Final = ("-- ", "")
_HASH: Final = ("# ", "")
_COMMENTS: Final = {
    ".c .cc .cpp .cs .dart .go .h .hpp .java .js .jsx .kt .mjs .php .proto .rs .scala .swift .ts .tsx": _SLASHES,
    ".htm .html .md .svg .vue .xml": _ANGLES,
    ".css .scss .less": _STARS,
    ".elm .hs .lua .sql": _DASHES,
    ".ini .lisp .el": ("; ", ""),
    ".rst": (".. ", ""),
    ".tex": ("% ", ""),
    ".bat": ("REM ", ""),
}
_BY_SUFFIX: Final = {suffix: marks for suffixes, marks in _COMMENTS.items() for suffix in suffixes.split()}


def default_script(task: EmbeddedTask, role: EmbeddedRole, *, root: Path) -> Script:
    """Returns the script for a task without one; see the module."""
    if role is EmbeddedRole.VALIDATOR:
        return Script(calls=tuple(Call("read_file", {"path": name}) for name in task.files))
    missing = [name for name in task.files if not _exists(root, name)]
    return Script(calls=tuple(Call("write_file", _write_arguments(task, name)) for name in missing))


def placeholder_content(task_id: str, name: str) -> str:
    """Returns the content of a rehearsed file: one marked line, a comment if the format has comments."""
    path = PurePosixPath(name)
    line = f"{MARK} Task {task_id}, {path}."
    if path.suffix.lower() in (".json", ".ipynb"):
        return json.dumps({"rehearsal": line}, ensure_ascii=False) + "\n"
    before, after = _BY_SUFFIX.get(path.suffix.lower(), _HASH)
    # Two dashes would end an XML comment; a star and a slash would end a C comment.
    harmless = line.replace("--", "- -").replace("*/", "* /") if after else line
    return f"{before}{harmless}{after}\n"


def _write_arguments(task: EmbeddedTask, name: str) -> dict[str, str]:
    path = name + FOLDER_FILE if name.endswith("/") else name
    return {"path": path, "content": placeholder_content(task.task_id, path)}


def _exists(root: Path, name: str) -> bool:
    try:
        return resolve_inside(root, name).exists()
    except PathEscape:
        return False  # the tool rejects the write, and the session reports that
