"""The templates of both prompts: the packaged ones or the project's own.

Invariant: templates are read once, when the worker starts. Sessions can write in the project, so a template read
later could let a builder write the prompt of its validator. The request for the JSON is not part of a template,
so no template can omit it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.text import printable
from amplifier_swarm.text_files import NotText, decode
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
    """The texts of both prompts without their endings."""

    builder: str
    validator: str

    def for_role(self, role: Role) -> str:
        """Returns the template of the role."""
        return self.builder if role is Role.BUILDER else self.validator


def read_templates(project_root: Path) -> Templates:
    """Returns the project's own templates, and the packaged one where the project has none.

    Raises: ProgramExit if a template of the project is unreadable or invalid.
    """
    return Templates(
        builder=_override(project_root, Role.BUILDER) or packaged_template(Role.BUILDER),
        validator=_override(project_root, Role.VALIDATOR) or packaged_template(Role.VALIDATOR),
    )


def packaged_template(name: str) -> str:
    """Returns the text of a packaged template, without an override by the project."""
    return (PACKAGED / f"{name}.md").read_text("utf-8")


def _override(project_root: Path, role: Role) -> str:
    """Returns the project's own template after its check; empty if the project has none."""
    file = FOLDER / f"{role}.md"
    try:
        with (project_root / file).open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ProgramExit(
            ExitCode.USAGE, f"can't read {file}: {error.strerror}", hint="correct or remove it"
        ) from error
    if len(data) > MAX_BYTES:
        raise ProgramExit(ExitCode.USAGE, f"{file} is larger than {MAX_BYTES // 1024} KiB", hint="shorten it")
    try:
        text = decode(data)
    except NotText as error:
        raise ProgramExit(ExitCode.USAGE, f"{file} {error}") from error
    if not text.strip():
        raise ProgramExit(ExitCode.USAGE, f"{file} is empty", hint="write a prompt, or remove it")
    _check_placeholders(file, text, PLACEHOLDERS[role])
    return text


def _check_placeholders(file: Path, text: str, known: frozenset[str]) -> None:
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
