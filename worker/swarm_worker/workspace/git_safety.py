"""The settings and the environment under which the worker's own git runs.

Invariant: each setting of a repository that names a program is overridden here, for every git of the worker.
"""

import os
from collections.abc import Mapping
from typing import Final

# A lock of another git is waited for: workers of one machine share a source repository.
LOCK_WAIT_S: Final = 10
_LOCK_WAIT: Final = f"{LOCK_WAIT_S}000"
_SETTINGS: Final[Mapping[str, str]] = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.attributesFile": "/dev/null",
    "core.alternateRefsCommand": "true",
    "core.splitIndex": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "log.showSignature": "false",
    "merge.verifySignatures": "false",
    "merge.autoStash": "false",
    # Maintenance would run in the background, after the guard has proven that git has ended.
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "status.submoduleSummary": "false",
    "protocol.allow": "never",
    "trailer.separators": ":",
    "core.filesRefLockTimeout": _LOCK_WAIT,
    "core.packedRefsTimeout": _LOCK_WAIT,
    # Otherwise diff locks the index, and a session's own git fails at that moment.
    "diff.autoRefreshIndex": "false",
}
SAFE_CONFIG: Final = tuple(word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}"))
# The settings of a user that decide how files and commits look, and name no program.
PLAIN_SETTINGS: Final = (
    *("core.autocrlf", "core.eol", "core.safecrlf", "core.filemode", "core.symlinks", "core.ignorecase"),
    *("core.precomposeunicode", "user.name", "user.email"),
)
_KEPT: Final = ("PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME")
# Variables of the worker's own environment that would move git to another repository or make it run a program.
_REDIRECTING: Final = (
    *(
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
    ),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"),
    *("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "GIT_SEQUENCE_EDITOR", "GIT_TEMPLATE_DIR", "GIT_TRACE"),
    *("GIT_SHALLOW_FILE", "GIT_GRAFT_FILE", "GIT_PREFIX", "GIT_CEILING_DIRECTORIES", "GIT_EXEC_PATH"),
)


def safe_environment(own: Mapping[str, str], protocols: str = "none") -> dict[str, str]:
    """Returns the whole environment of a git that asks nobody; `protocols` as in GIT_ALLOW_PROTOCOL."""
    return {name: own[name] for name in _KEPT if name in own} | _fixed(protocols)


def network_environment(own: Mapping[str, str], protocols: str) -> dict[str, str]:
    """Returns the environment of a git that reaches a remote with the user's own credentials.

    Credential helpers, ssh agents and proxies read variables of their own, so the worker's environment is kept, except
    for the worker's own variables and those that point git to another repository.
    """
    kept = {
        name: value
        for name, value in own.items()
        if name not in _REDIRECTING and not name.startswith("SWARM_")
    }
    return kept | _fixed(protocols)


def current_environment(protocols: str = "none") -> dict[str, str]:
    """Returns the safe environment made from that of this process."""
    return safe_environment(os.environ, protocols)


def _fixed(protocols: str) -> dict[str, str]:
    return {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "false",
        "GIT_NO_REPLACE_OBJECTS": "1",
        # A partial clone fetches missing objects with a program that its settings name.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": protocols,
    }
