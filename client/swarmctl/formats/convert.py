"""A file of any known format as a plan: the one entrance for the commands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.foreign import FormatName, convertible_format, foreign_format
from amplifier_swarm.plan.node_builder import Composed
from amplifier_swarm.plan.nodes import Line
from amplifier_swarm.plan.read import Plan, plan_of_document, read_plan
from amplifier_swarm.plan.source import SQLITE_HEAD, STDIN, UTF16_MARKS, Source, read_data
from amplifier_swarm.text import printable
from swarmctl.formats.beads import read_beads
from swarmctl.formats.csv_table import read_csv
from swarmctl.formats.draft import Draft, document_of, ids_of
from swarmctl.formats.edges import edges_of
from swarmctl.formats.github import read_github
from swarmctl.formats.predecessor import read_predecessor
from swarmctl.formats.spec_kit import read_spec_kit
from swarmctl.formats.task_master import read_task_master

_READERS: Final[Mapping[FormatName, Callable[[Source], Draft]]] = {
    FormatName.TASKMASTER: read_task_master,
    FormatName.SPECKIT: read_spec_kit,
    FormatName.BEADS: read_beads,
    FormatName.CSV: read_csv,
    FormatName.GITHUB_JSON: read_github,
}


@dataclass(frozen=True, slots=True)
class Converted:
    """A plan, the format that it had, and its number of dependencies. Its warnings say what could not be carried."""

    plan: Plan
    format: FormatName
    edges: int


def plan_from(place: str, form: FormatName | None, *, strict: bool = False) -> Plan:
    """Reads a task file, or a file of another format; raises as `read_plan` and `convert` do."""
    return read_plan(place, strict=strict) if form is None else convert(place, form).plan


def convert(place: str, form: FormatName, *, prefix: str = "") -> Converted:
    """Reads a file of another tool; each id begins with `prefix`.

    Raises:
        ProgramExit: the file can't be read.
        PlanRefused: it does not have the format, or makes no plan.
    """
    if _is_database(place):
        name = printable(place)
        if form not in (FormatName.AUTO, FormatName.PREDECESSOR_DB):
            raise _refused(
                name, f"a database of SQLite is not {form}; use --from {FormatName.PREDECESSOR_DB}"
            )
        return _converted(name, FormatName.PREDECESSOR_DB, read_predecessor(Path(place), name), prefix)
    name, data = read_data(place)
    if data.startswith(SQLITE_HEAD):
        raise _refused(name, "a database can't be read from a pipe; give its file")
    if form is FormatName.PREDECESSOR_DB:
        raise _refused(name, "not a database of SQLite; give the file that the predecessor's --db named")
    source, note = _decoded(name, data)
    found = _format_of(source) if form is FormatName.AUTO else form
    draft = _READERS[found](source)
    if note:
        draft.note(Line(1), note)
    return _converted(name, found, draft, prefix)


def _is_database(place: str) -> bool:
    """Returns whether the place is a file of SQLite, of any size; `read_data` reports what can't be read."""
    try:
        if place == STDIN or not Path(place).is_file():
            return False
        with Path(place).open("rb") as file:
            return file.read(len(SQLITE_HEAD)) == SQLITE_HEAD
    except OSError:
        return False


def _converted(name: str, form: FormatName, draft: Draft, prefix: str) -> Converted:
    if not draft.tasks:
        raise _refused(
            name, f"no task is in this file, read as {form}; see docs/importing.md for what it looks for"
        )
    ids = ids_of(draft.tasks, prefix)
    for task, task_id in zip(draft.tasks, ids, strict=True):
        if task_id != prefix + task.key:
            draft.note(
                task.line, f'the id of a task is changed to "{task_id}"', "ids have letters, digits, . _ -"
            )
    edges = edges_of(draft, ids)
    document = document_of(draft.tasks, ids, edges, draft)
    plan = plan_of_document(name, Composed(document, []))
    return Converted(replace(plan, warnings=[*draft.notes, *plan.warnings]), form, sum(map(len, edges)))


def _format_of(source: Source) -> FormatName:
    found = convertible_format(source)
    if found is None:
        known = (
            foreign_format(source) or "the format is not known; name it by --from, or see docs/importing.md"
        )
        raise _refused(source.name, known)
    return found


def _decoded(name: str, data: bytes) -> tuple[Source, str]:
    """Returns the text, and a note if it is not UTF-8: spreadsheets write Windows-1252, PowerShell writes UTF-16."""
    if b"\x00" in data[:4096] and not data.startswith(UTF16_MARKS):
        raise _refused(name, "this is not a text; give the export of a tool, such as CSV or JSON")
    for encoding, note in (
        ("utf-16" if data.startswith(UTF16_MARKS) else "utf-8-sig", ""),
        ("cp1252", "the file is not UTF-8; it is read as Windows-1252"),
        ("latin-1", "the file is not UTF-8; it is read as Latin-1"),
    ):
        try:
            return Source(name, data.decode(encoding)), note
        except UnicodeDecodeError:
            continue
    raise AssertionError("Latin-1 has every byte")


def _refused(name: str, problem: str) -> PlanRefused:
    return PlanRefused(name, [Fault(0, "", "", problem)])
