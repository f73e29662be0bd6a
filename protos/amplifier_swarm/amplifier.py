"""The installed programs of Amplifier, which `--runner auto` chooses from.

Invariant: a rehearsal is never the fallback for a missing Amplifier.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.light_imports import find_program

AGENT: Final = "amplifier-agent"
CLI: Final = "amplifier"
# The library that `amplifier-agent` has been since 0.20, and the engine that only such releases bring.
LIBRARY: Final = "amplifier_agent"
ENGINE: Final = "amplifier_agent_engine"
# The program of the library's HTTP package; it stands beside the Python that has the library.
FACE: Final = "amplifier-agent-face"
PYTHON_VARIABLE: Final = "AMPLIFIER_AGENT_PYTHON"
LIBRARY_URL: Final = "git+https://github.com/microsoft/amplifier-agent@v0.21.0#subdirectory=packages/python"
INSTALL_LIBRARY: Final = (
    "install the library with `uv venv --python 3.12 DIR` and `uv pip install --python DIR/bin/python"
    f" 'amplifier-agent @ {LIBRARY_URL}'`, and pass --agent-python DIR/bin/python"
)


class LibraryPython(NamedTuple):
    """An interpreter for the library; `is_named` if the user named it, and another one must not replace it."""

    path: str
    is_named: bool


def agent_path(own: Mapping[str, str], env: Mapping[str, str]) -> str | None:
    """Returns the path of `amplifier-agent`, or None; AMPLIFIER_AGENT_BIN in `own` comes before PATH in `env`."""
    return find_program(own.get("AMPLIFIER_AGENT_BIN") or AGENT, path=env.get("PATH", ""))


def library_python(
    own: Mapping[str, str], env: Mapping[str, str], *, named: str = ""
) -> LibraryPython | None:
    """Returns the Python that has the library, or None. It starts nothing.

    A named one comes first, then AMPLIFIER_AGENT_PYTHON in `own`, then an environment that belongs to a tool: that of
    `amplifier-agent-face` on PATH in `env`, and those of `uv tool`.
    """
    if name := named or own.get(PYTHON_VARIABLE):
        path = find_program(name, path=env.get("PATH", ""))
        return LibraryPython(str(Path(path or name).absolute()), is_named=True)
    found = next((home for home in _tool_environments(env) if _has_library(home)), None)
    return None if found is None else LibraryPython(str(found / "bin" / "python"), is_named=False)


def _tool_environments(env: Mapping[str, str]) -> Iterator[Path]:
    if face := find_program(FACE, path=env.get("PATH", "")):
        yield Path(os.path.realpath(face)).parents[1]
    home = env.get("HOME")
    data = Path(env.get("XDG_DATA_HOME") or Path(home or "/nonexistent") / ".local" / "share")
    tools = Path(env.get("UV_TOOL_DIR") or data / "uv" / "tools")
    yield from sorted(tools.glob(f"{AGENT}*"))


def _has_library(home: Path) -> bool:
    """Returns whether an environment holds library and engine, without an import."""
    packages = list(home.glob("lib/python3*/site-packages"))
    held = all(any((each / name).is_dir() for each in packages) for name in (LIBRARY, ENGINE))
    return held and os.access(home / "bin" / "python", os.X_OK)


def cli_path(env: Mapping[str, str]) -> str | None:
    """Returns the path of `amplifier`, or None."""
    return find_program(CLI, path=env.get("PATH", ""))


def no_amplifier() -> ProgramExit:
    """Returns the exit of a program that finds no Amplifier and was given no other runner."""
    return ProgramExit(
        ExitCode.USAGE,
        f"neither {AGENT} nor {CLI} is on PATH, and no Python with the library {LIBRARY} is known",
        hint="install Amplifier (docs/amplifier.md says how; --agent-python names the Python of the library), or pass"
        " --runner command (any agent) or --runner embedded for a rehearsal",
    )
