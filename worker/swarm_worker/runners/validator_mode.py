"""The mode that takes the tools that write files from validators: a file that the engine reads in the project.

Their shell can still write. `execution.judged_work` notices what changes while they run.

Invariant: a file of that name without the worker's mark belongs to the user, and is used unchanged.
"""

import os
from pathlib import Path
from typing import Final

MODE: Final = "swarm-validate"
MODE_FILE: Final = Path(".amplifier", "modes", f"{MODE}.md")
_MARK: Final = "Written by swarm-worker"
# `bash` is safe since a validator has to run tests. `delegate` is not: a child session may ignore its parent's mode.
_TEXT: Final = f"""\
---
mode:
  name: {MODE}
  description: Judge a task's work without changing it
  tools:
    safe:
      - read_file
      - grep
      - glob
      - bash
      - todo
      - load_skill
      - web_fetch
      - web_search
    block:
      - write_file
      - edit_file
      - apply_patch
  default_action: block
  allow_clear: false
---

<!-- {_MARK}, which replaces it. Take this line away and it is yours. -->

You judge work that others did. Read, run tests, and report. Change nothing in the project: no tool that
writes is open to you, and commands must leave every file as they found it.
"""


_IGNORE: Final = f"# Made by amplifier-swarm, not for git.\n/{MODE_FILE.name}\n/.gitignore\n"


def write_mode_file(project_root: Path) -> None:
    """Writes the mode's file atomically, if it is missing or the worker's own.

    Raises:
        OSError: the file can't be read or written.
    """
    path = project_root / MODE_FILE
    if path.exists():
        present = path.read_text(encoding="utf-8", errors="replace")
        if present == _TEXT or _MARK not in present:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    ignore = path.with_name(".gitignore")
    if not ignore.exists():
        # Other modes in the folder belong to the project.
        ignore.write_text(_IGNORE, encoding="utf-8")
    temporary = path.with_suffix(f".{os.getpid()}")  # other workers of this project may write the file too
    temporary.write_text(_TEXT, encoding="utf-8")
    temporary.replace(path)
