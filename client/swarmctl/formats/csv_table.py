"""Tables with a header, separated by commas, semicolons or tabs: exports of Jira, and those that people keep."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from amplifier_swarm.plan.faults import Fault, PlanRefused, quoted
from amplifier_swarm.plan.nodes import Line
from amplifier_swarm.plan.source import MAX_BYTES, Source
from swarmctl.formats.draft import Draft, DraftTask, Link
from swarmctl.formats.words import set_priority, set_status
from swarmctl.text_format import first_names

# The sniffer searches with patterns; a header and a few rows are enough for it.
_SAMPLE: Final = 4_096
_DELIMITERS: Final = ",;\t|"
_SHOWN: Final = 12
# For each field the headers that it may have, in lower case; the first that the file has counts.
_HEADERS: Final[Mapping[str, Sequence[str]]] = {
    "key": ("issue key", "key", "id", "task id", "task_id", "wbs", "number", "iid", "#", "issue id"),
    "name": ("summary", "title", "name", "task name", "task", "subject"),
    "description": ("description", "body", "details", "notes"),
    "status": ("status category", "status", "state"),
    "resolution": ("resolution",),
    "type": ("issue type", "issuetype", "type", "kind"),
    "priority": ("priority",),
    "phase": ("phase", "milestone", "sprint", "fix versions"),
    "criteria": ("acceptance criteria", "acceptance_criteria", "custom field (acceptance criteria)"),
    "hours": ("estimated_hours", "estimated hours", "estimate (hours)", "hours"),
    "seconds": ("original estimate",),
}
# Headers of which all columns count: Jira repeats a column for each further value.
_WAITS_FOR: Final = frozenset(
    {
        *("inward issue link (blocks)", "depends on", "depends_on", "dependencies", "dependency"),
        *("blocked by", "blocked_by", "predecessors", "prerequisites"),
    }
)
_BLOCKS: Final = frozenset({"outward issue link (blocks)", "blocks", "blocking"})
_PARENT: Final = (
    "parent key",
    "parent",
    "parent id",
    "epic link",
    "custom field (epic link)",
    "parent issue",
)
_OTHER_KEY: Final = "issue id"
_BETWEEN_KEYS: Final = re.compile(r"[\s,;|]+")
# Columns that are of no use to a task; Jira exports a dozen of them.
_SILENT: Final = re.compile(
    r"project|assignee|reporter|creator|created|updated|last viewed|resolved|due date|votes|watchers|rank|"
    r"status category changed|work ratio|σ|time spent|remaining estimate|custom field \((?:rank|development)|"
    r"parent summary|issue color|status$|security level",
)


def read_csv(source: Source) -> Draft:
    """Returns a task for each row below the header.

    Raises:
        PlanRefused: the text has no header with an id or a title.
    """
    rows = _rows(source)
    header = next(rows, None)
    titles = [] if header is None else [cell.strip() for cell in header[1]]
    names = [title.lower() for title in titles]
    if not any(name in _HEADERS["key"] or name in _HEADERS["name"] for name in names):
        problem = f"no column is an id or a title; name one Id or Title. The header has: {first_names(names, _SHOWN)}"
        raise PlanRefused(source.name, [Fault(1, "", "", problem)])
    table = _Table(Draft(), titles)
    for line, cells in rows:
        table.add(line, cells)
    table.link_blocked()
    table.note_columns()
    return table.draft


def _rows(source: Source) -> Iterator[tuple[Line, list[str]]]:
    """Yields the rows that are not empty, with the line on which each begins."""
    csv.field_size_limit(MAX_BYTES)
    text = source.text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    before = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Line(before + 1), cells
            before = reader.line_num
    except csv.Error as error:
        problem = f"not a table that can be read: {error}; see that each quote is closed"
        raise PlanRefused(source.name, [Fault(before + 1, "", "", problem)]) from error


def _delimiter(text: str) -> str:
    """Returns the delimiter by the csv module's sniffer, or else the one that the header has most often."""
    head = text.split("\n", 1)[0]
    try:
        found = csv.Sniffer().sniff(text[:_SAMPLE], _DELIMITERS).delimiter
    except csv.Error:
        found = ""
    return found if found and found in head else max(_DELIMITERS, key=head.count)


class _Table:
    """The rows of a table with their header."""

    def __init__(self, draft: Draft, titles: Sequence[str]) -> None:
        self.draft = draft
        self._titles = titles
        self._names = names = [title.lower() for title in titles]
        self._columns = {
            field: names.index(found)
            for field, wanted in _HEADERS.items()
            if (found := next((name for name in wanted if name in names), None)) is not None
        }
        self._waits = [i for i, name in enumerate(names) if name in _WAITS_FOR]
        self._blocks = [i for i, name in enumerate(names) if name in _BLOCKS]
        self._parents = [names.index(name) for name in _PARENT if name in names]
        self._blocked: list[tuple[str, Link]] = []
        self._filled: set[int] = set()

    def add(self, line: Line, cells: Sequence[str]) -> None:
        """Adds the task of a row."""
        if len(cells) > len(self._names):
            self.draft.note(line, "a row has more cells than the header", "the rest is left out")
        self._filled |= {i for i, cell in enumerate(cells) if cell.strip()}
        row = _Row(cells, self._columns)
        key = row.text("key") or f"row-{len(self.draft.tasks) + 1}"
        task = DraftTask(key, line)
        task.describe(("", row.text("description")))
        task.name(row.text("name") or key)
        task.accept(row.text("criteria"))
        task.fields |= {field: text for field in ("type", "phase") if (text := row.text(field))}
        set_status(self.draft, task, row.text("status"))
        if task.fields.get("status") == "completed":
            set_status(self.draft, task, row.text("resolution"))
        set_priority(self.draft, task, row.text("priority"))
        self._add_hours(task, row)
        task.waits_for += [Link(other, line) for i in self._waits for other in row.keys(i)]
        self._blocked += [(other, Link(key, line)) for i in self._blocks for other in row.keys(i)]
        if parent := next((found[0] for i in self._parents if (found := row.keys(i))), None):
            task.parent = Link(parent, line)
        if _OTHER_KEY in self._names and (other := row.cell(self._names.index(_OTHER_KEY))):
            self.draft.aliases.setdefault(other, key)
        self.draft.add(task)

    def _add_hours(self, task: DraftTask, row: "_Row") -> None:
        for field, scale in (("hours", 1), ("seconds", 3600)):
            if text := row.text(field).rstrip("h "):
                try:
                    hours = float(text) / scale
                except ValueError:
                    hours = -1.0
                if 0 <= hours <= 100_000:
                    task.fields["estimated_hours"] = hours
                else:
                    self.draft.note(
                        task.line, f"the estimate {quoted(text)} is not a number of {field}", "left out"
                    )

    def link_blocked(self) -> None:
        """Adds the links that a row has to those that it blocks."""
        tasks = {task.key: task for task in self.draft.tasks}
        for other, link in self._blocked:
            if (found := tasks.get(other) or tasks.get(self.draft.aliases.get(other, ""))) is not None:
                found.waits_for.append(link)
            else:
                self.draft.note(
                    link.line,
                    f"{quoted(link.key)} blocks {quoted(other)}, which is not in this file",
                    "no dependency",
                )

    def note_columns(self) -> None:
        """Notes the columns that have values and are not carried."""
        used = {*self._columns.values(), *self._waits, *self._blocks, *self._parents}
        left = [
            self._titles[i]
            for i in sorted(self._filled - used)
            if i < len(self._names) and self._names[i] != _OTHER_KEY and not _SILENT.search(self._names[i])
        ]
        if left:
            names = list(dict.fromkeys(quoted(name) for name in left))
            self.draft.note(Line(1), f"columns that are not carried: {first_names(names, _SHOWN)}")


class _Row:
    """The cells of a row by field."""

    def __init__(self, cells: Sequence[str], columns: Mapping[str, int]) -> None:
        self._cells = cells
        self._columns = columns

    def cell(self, column: int) -> str:
        """Returns the text of a column; empty if the row ends before it."""
        return self._cells[column].strip() if column < len(self._cells) else ""

    def text(self, field: str) -> str:
        """Returns the text of a field; empty if the table has no such column."""
        return self.cell(self._columns[field]) if field in self._columns else ""

    def keys(self, column: int) -> list[str]:
        """Returns the keys of other tasks in a column."""
        return [key for part in _BETWEEN_KEYS.split(self.cell(column)) if (key := part.strip("#"))]
