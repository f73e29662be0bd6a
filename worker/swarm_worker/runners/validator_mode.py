"""The mode that keeps validators from changing what they judge: a file that the engine looks for in the project.

Its one rule: a file of that name which is not ours is the user's, and is left and used as it is.
"""

import os
from pathlib import Path
from typing import Final

MODE: Final = "swarm-validate"
PLACE: Final = Path(".amplifier", "modes", f"{MODE}.md")
_MARK: Final = "Written by swarm-worker"
# `bash` is among the safe ones since a validator has to run tests. `delegate` is not: what a child session
# does need not be under its parent's mode.
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


def lay_out(project_root: Path) -> None:
    """Writes the mode's file where it is missing or ours, at once as a whole; raises OSError."""
    path = project_root / PLACE
    if path.exists():
        present = path.read_text(encoding="utf-8", errors="replace")
        if present == _TEXT or _MARK not in present:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")  # other workers of this project do the same now
    fresh.write_text(_TEXT, encoding="utf-8")
    fresh.replace(path)
