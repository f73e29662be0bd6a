"""The names of refs: branches by the rules of git, and the swarm's own. Invariant: two tasks never share a name."""

import re
from typing import Final

# A task of this name would share the folder of the pins.
_RESERVED: Final = frozenset({"base", "landing"})
# git refuses these dots in a ref. The sign in their place is not in the grammar of ids, so names stay different.
_REFUSED_DOT: Final = re.compile(r"(?<=\.)\.|\.$|\.(?=lock$)")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# What git refuses in a ref: signs anywhere in the name, and the beginning and the end of each of its parts.
_NOT_IN_BRANCH: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_BRANCH: Final = re.compile(r"[^/.][^/]*(/[^/.][^/]*)*")
_REFUSED_END: Final = re.compile(r"(\.|\.lock)(/|$)")


def is_branch_name(name: str) -> bool:
    """Returns whether git takes the name, which is without `refs/heads/`, as a branch and not as an option."""
    if name == "@" or name.startswith("-") or _NOT_IN_BRANCH.search(name):
        return False
    return _BRANCH.fullmatch(name) is not None and not _REFUSED_END.search(name)


def attempt_ref(task_id: str, attempt: int) -> str:
    """Returns the ref that keeps the last commit of an attempt."""
    return f"refs/swarm/{ref_component(task_id)}/{attempt}"


def pin_ref(name: str) -> str:
    """Returns the ref that pins the base of a clone; `name` is the clone's."""
    return f"refs/swarm/base/{ref_component(name)}"


def landing_ref(name: str) -> str:
    """Returns the ref that pins what a clone is about to land; `name` is the clone's."""
    return f"refs/swarm/landing/{ref_component(name)}"


def ref_component(name: str) -> str:
    """Returns a valid part of a ref for a name in the grammar of ids; different names get different parts.

    Raises:
        ValueError: the name is not in that grammar.
    """
    if not _ID.fullmatch(name):
        raise ValueError(f"{name!r} is not an id: letters, digits, '.', '_', '-', at most 128")
    valid = _REFUSED_DOT.sub("+", name)
    return f"+{valid}" if valid in _RESERVED else valid
