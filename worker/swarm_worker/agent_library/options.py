"""The options with which an agent is created, as far as the installed library has them.

Invariant: the library's fields decide, not its version: releases that break things name the same contract.
"""

import dataclasses
import importlib
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .bash_tool import NAME as BASH
from .bash_tool import bash_tool

LIBRARY: Final = "amplifier_agent"
REQUIRED_FIELDS: Final = ("sessions_directory", "working_directory")
EFFORT_FIELD: Final = "reasoning_effort"

PREFIX: Final = "AMPLIFIER_AGENT_"
CONFIG: Final = f"{PREFIX}CONFIG"
# The library refuses every other name with this prefix; sessions_directory is given as an option.
KEPT_VARIABLES: Final = tuple(f"{PREFIX}{name}" for name in ("PROVIDER", "MODEL", "APPROVALS", "CONFIG"))
EFFORT_VARIABLE: Final = f"{PREFIX}REASONING_EFFORT"

VALIDATOR: Final = "validator"
# Our own bash replaces the library's. `delegate` starts agents that see nothing of the task, and whose provider's
# error fails the whole turn.
NOT_OFFERED: Final = (BASH, "delegate")
EVERY_RELEASE_S_TOOLS: Final = ("read_file", "write_file", "edit_file", "glob", "grep")
READ_ONLY_TOOLS: Final = ("read_file", "glob", "grep")

_ALONE: Final = (
    "You work alone and unattended: nobody answers questions, so decide yourself and say what you decided."
)
INSTRUCTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "builder": (
            f"You are a software engineer who carries out one task in the folder {{root}}. {_ALONE} Look at what is"
            " there before you change it, keep to the task, and run what you wrote. End your reply as the task demands."
        ),
        VALIDATOR: (
            f"You judge the work that others did in the folder {{root}}. {_ALONE} Read, run tests, and report. Change"
            " nothing: you have no tool that writes, and commands must leave every file as they found it. End your"
            " reply as the task demands."
        ),
    }
)


class MissingLibrary(Exception):
    """An error for a library that is absent, can't be imported, or lacks what a worker needs."""


class Capability(NamedTuple):
    """The installed library: its version, the fields of its options, and whether it can list models."""

    version: str
    fields: frozenset[str]
    lists_models: bool


def import_library() -> Any:
    """Imports the library.

    Raises:
        MissingLibrary: the import fails, or a required field is absent.
    """
    try:
        library = importlib.import_module(LIBRARY)
    except Exception as error:  # an import runs the library's code, and any fault of it counts
        raise MissingLibrary(f"{LIBRARY} can't be imported: {error}") from error
    fields = capability(library).fields
    if missing := [name for name in REQUIRED_FIELDS if name not in fields]:
        version = getattr(library, "__version__", "?")
        raise MissingLibrary(f"{LIBRARY} {version} is too old: its AgentOptions has no {missing[0]}")
    return library


def capability(library: Any) -> Capability:
    """Returns what the library has."""
    options = getattr(library, "AgentOptions", None)
    fields = dataclasses.fields(options) if dataclasses.is_dataclass(options) else ()
    names = frozenset(field.name for field in fields)
    return Capability(str(getattr(library, "__version__", "?")), names, hasattr(library, "list_models"))


def built_in_tools(library: Any) -> tuple[str, ...]:
    """Returns the names of the library's own tools; those that every release has if it lists none."""
    return tuple(map(str, getattr(library, "BUILTIN_TOOLS", EVERY_RELEASE_S_TOOLS)))


def clean_environment(environ: MutableMapping[str, str], *, config: str, has_effort: bool) -> None:
    """Removes the variables that the library refuses, and names the configuration file if there is one."""
    kept = (*KEPT_VARIABLES, *([EFFORT_VARIABLE] if has_effort else []))
    for name in [name for name in environ if name.startswith(PREFIX) and name not in kept]:
        del environ[name]
    if config:
        environ[CONFIG] = config


def agent_options(library: Any, *, role: str, root: Path, sessions: Path) -> Any:
    """Returns the options of an unattended session of that role."""
    built_in = built_in_tools(library)
    wanted = READ_ONLY_TOOLS if role == VALIDATOR else built_in
    tools = [name for name in wanted if name in built_in and name not in NOT_OFFERED]
    return library.AgentOptions(
        instructions=INSTRUCTIONS[role].format(root=root),
        tools=[*tools, bash_tool(library, root)],
        approvals="allow",
        tool_error_policy="continue",
        working_directory=str(root),
        sessions_directory=str(sessions),
    )
