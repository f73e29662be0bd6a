"""The templates of both prompts: ours, or a project's own. Read once, at the start of the worker.

A session can write in the project, so a template that was read for each prompt would let a builder write
the prompt of its judge. The demand for the JSON at the end is no part of them: nobody can leave it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import printable
from swarm_worker.domain.types import Role

FOLDER: Final = Path(".swarm/prompts")
PACKAGED: Final = Path(__file__).parent
MAX_BYTES: Final = 256 * 1024

_BOTH: Final = frozenset(
    ("persona", "agent", "id", "name", "attempt", "facts", "description", "criteria", "files", "design_docs")
) | {"dependencies"}
PLACEHOLDERS: Final[Mapping[Role, frozenset[str]]] = {
    Role.BUILDER: _BOTH | {"checks", "history"},
    Role.VALIDATOR: _BOTH | {"results", "changes", "claimed", "answers"},
}


@dataclass(frozen=True, slots=True)
class Templates:
    """The text of each prompt, all but its end."""

    builder: str
    validator: str

    def of(self, role: Role) -> str:
        """The one of that role."""
        return self.builder if role is Role.BUILDER else self.validator


def read_templates(project_root: Path) -> Templates:
    """The project's own where it has some, else ours; raises Exit with what is wrong with them."""
    return Templates(
        builder=_override(project_root, Role.BUILDER) or packaged(Role.BUILDER),
        validator=_override(project_root, Role.VALIDATOR) or packaged(Role.VALIDATOR),
    )


def packaged(name: str) -> str:
    """A file of ours."""
    return (PACKAGED / f"{name}.md").read_text("utf-8")


def _override(project_root: Path, role: Role) -> str:
    """The project's own template, checked; empty if there is none."""
    file = FOLDER / f"{role}.md"
    try:
        with (project_root / file).open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read {file}: {error.strerror}", hint="mend or remove it"
        ) from error
    if len(data) > MAX_BYTES:
        raise ProgramExit(ExitCode.USAGE, f"{file} is larger than {MAX_BYTES // 1024} KiB", hint="shorten it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProgramExit(ExitCode.USAGE, f"{file} is not valid UTF-8", hint="save it as UTF-8") from error
    if not text.strip():
        raise ProgramExit(ExitCode.USAGE, f"{file} is empty", hint="write a prompt, or remove it")
    _check(file, text, PLACEHOLDERS[role])
    return text


def _check(file: Path, text: str, known: frozenset[str]) -> None:
    for found in Template.pattern.finditer(text):
        name = found["named"] or found["braced"]
        if found["escaped"] is not None or name in known:
            continue
        place = f"{file}:{text.count(chr(10), 0, found.start()) + 1}"
        if name is None:
            raise ProgramExit(ExitCode.USAGE, f"{place}: a lone $", hint="write $$ for a dollar sign")
        raise ProgramExit(
            ExitCode.USAGE,
            f"{place}: unknown placeholder ${printable(name)[:60]}",
            hint=f"known are {', '.join(f'${name}' for name in sorted(known))}",
        )
