"""Modes, which limit the tools of a turn. Mode files are read from the process's folder, not from --cwd."""

import re
from collections.abc import Callable
from pathlib import Path

from .envelope import Refusal


def mode_rule(name: str) -> Callable[[str], bool]:
    """Returns a predicate for the tools that the mode allows; without a name, all are allowed."""
    if not name:
        return lambda tool: True
    folders = (Path.cwd() / ".amplifier" / "modes", Path.home() / ".amplifier" / "modes")
    file = next((path for folder in folders if (path := folder / f"{name}.md").is_file()), None)
    if file is None:
        raise Refusal(
            "argv_mode_unknown",
            f"unknown mode: {name!r}",
            remediation="Run `amplifier-agent modes list` to see the available modes.",
        )
    head = re.match(r"---\n(.*?)\n---", file.read_text("utf-8"), re.DOTALL)
    return _rule(head.group(1) if head else "")


def _rule(head: str) -> Callable[[str], bool]:
    inline = re.search(r"^\s*safe:\s*\[([^\]]*)\]", head, re.MULTILINE)
    block = re.search(r"^\s*safe:\s*\n((?:\s*-\s*\S+\n?)+)", head, re.MULTILINE)
    listed = inline.group(1) if inline else block.group(1) if block else ""
    safe = set(re.findall(r"[A-Za-z_][\w-]*", listed))
    blocks = re.search(r"^\s*default_action:\s*['\"]?block\b", head, re.MULTILINE) is not None
    return lambda tool: tool in safe or not blocks
