"""The templates of both prompts: the packaged ones or the project's own.

Invariant: templates are read once, when the worker starts. Sessions can write in the project, so a template read
later could let a builder write the prompt of its validator. The request for the JSON is not part of a template,
so no template can omit it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.prompt_files import FOLDER, MAX_BYTES, NONE, digest_of
from amplifier_swarm.text import printable
from amplifier_swarm.text_files import NotText, decode
from swarm_worker.domain.types import Role

PACKAGED: Final = Path(__file__).parent

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
    # The digest of the project's own templates, and the last change of one in seconds since 1970.
    digest: str = field(default=NONE, compare=False)
    changed_s: float = field(default=0.0, compare=False)

    def for_role(self, role: Role) -> str:
        """Returns the template of the role."""
        return self.builder if role is Role.BUILDER else self.validator


class _Override(NamedTuple):
    """A template of the project: its bytes, its checked text, and the time of its last change."""

    data: bytes
    text: str
    changed_s: float


def read_templates(project_root: Path, folder: Path | None = None) -> Templates:
    """Returns the project's own templates, and the packaged one where the project has none.

    `folder` has the project's templates if they are not in `.swarm/prompts/`.

    Raises: ProgramExit if a template of the project is unreadable or invalid.
    """
    base = project_root / FOLDER if folder is None else folder
    found = {role: override for role in Role if (override := _override(base, role)) is not None}
    texts = {role: found[role].text if role in found else packaged_template(role) for role in Role}
    return Templates(
        builder=texts[Role.BUILDER],
        validator=texts[Role.VALIDATOR],
        digest=digest_of({f"{role}.md": override.data for role, override in found.items()}),
        changed_s=max((override.changed_s for override in found.values()), default=0.0),
    )


def check_age(templates: Templates, *, first_start_s: float, accepted: str) -> None:
    """Refuses templates that a session may have written: those that changed after the worker's first start.

    `accepted` is the digest of --accept-prompts, which must fit if it is given.

    Raises: ProgramExit if the templates are not accepted.
    """
    if accepted and accepted != templates.digest:
        raise ProgramExit(
            ExitCode.USAGE,
            f"the project's prompts have the digest {templates.digest}, and {accepted} is accepted",
            hint="a session may have changed them: read them, then pass their digest with --accept-prompts",
        )
    if not accepted and templates.changed_s > first_start_s:
        raise ProgramExit(
            ExitCode.USAGE,
            "the project's own prompts are newer than the first start of this worker: a session may have written them",
            hint=f"read {FOLDER}/*.md, then pass --accept-prompts {templates.digest}",
        )


def packaged_template(name: str) -> str:
    """Returns the text of a packaged template, without an override by the project."""
    return (PACKAGED / f"{name}.md").read_text("utf-8")


def _override(folder: Path, role: Role) -> _Override | None:
    """Returns the project's own template after its check; None if the project has none."""
    file = FOLDER / f"{role}.md"
    try:
        with (folder / file.name).open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
            # Not the time of the content: anyone can set that back.
            changed_s = os.fstat(opened.fileno()).st_ctime
    except FileNotFoundError:
        return None
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
    return _Override(data, text, changed_s)


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
