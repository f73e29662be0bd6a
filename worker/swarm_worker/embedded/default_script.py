"""Makes up a script for a task that brings none.

The builder writes each declared file that is not there yet, plainly marked as a rehearsal's; what
is there already it leaves alone. The validator reads every declared file.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Final

from swarm_worker.embedded.paths import Escape, inside
from swarm_worker.embedded.task import Call, EmbeddedRole, EmbeddedTask, Script

MARK: Final = "Rehearsal output of Amplifier Swarm's offline provider; no model wrote this."
# What stands in for a declared folder, which nothing else would make.
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


def unscripted(task: EmbeddedTask, role: EmbeddedRole, *, root: Path) -> Script:
    """The script that stands in for a missing one."""
    if role is EmbeddedRole.VALIDATOR:
        return Script(calls=tuple(Call("read_file", {"path": name}) for name in task.files))
    missing = [name for name in task.files if not _is_there(root, name)]
    return Script(calls=tuple(Call("write_file", _write(task, name)) for name in missing))


def content(task_id: str, name: str) -> str:
    """What a rehearsal writes into a file: one marked line, as a comment where the format has any."""
    path = PurePosixPath(name)
    line = f"{MARK} Task {task_id}, {path}."
    if path.suffix.lower() in (".json", ".ipynb"):
        return json.dumps({"rehearsal": line}, ensure_ascii=False) + "\n"
    before, after = _BY_SUFFIX.get(path.suffix.lower(), _HASH)
    # Two dashes would end an XML comment, a star and a slash one of C.
    harmless = line.replace("--", "- -").replace("*/", "* /") if after else line
    return f"{before}{harmless}{after}\n"


def _write(task: EmbeddedTask, name: str) -> dict[str, str]:
    path = name + FOLDER_FILE if name.endswith("/") else name
    return {"path": path, "content": content(task.task_id, path)}


def _is_there(root: Path, name: str) -> bool:
    try:
        return inside(root, name).exists()
    except Escape:
        return False  # the write will be refused, and the session will say so
