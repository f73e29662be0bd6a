"""A task list of another tool on its way to a plan: its tasks, its links, and what could not be carried.

Invariant: a draft depends on the file alone, so the same file always becomes the same plan.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from amplifier_swarm.plan.faults import Fault, quoted
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, MappingEntry, Node, Scalar

LONGEST_NAME: Final = 200
_LONGEST_PHASE: Final = 128
_LONGEST_ID: Final = 128
# The lines of one kind of note; a file has thousands where every task has the same field.
_SHOWN_LINES: Final = 10
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NOT_OF_IDS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_BULLET: Final = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+(?:\[[ xX]\]\s+)?")


@dataclass(frozen=True, slots=True)
class Link:
    """The name of another task, as the tool has it, and the line on which it stands."""

    key: str
    line: Line


@dataclass(slots=True)
class DraftTask:
    """A task: the key by which the tool names it, its fields as a task file has them, and its links."""

    key: str
    line: Line
    fields: dict[str, str | int | float | Sequence[str]] = field(default_factory=dict)
    # The tasks that must be completed before this one starts.
    waits_for: list[Link] = field(default_factory=list)
    # The task of which this one is a part.
    parent: Link | None = None
    # True if nobody is to do it: nothing waits for it.
    cancelled: bool = False

    def describe(self, *parts: tuple[str, str]) -> None:
        """Sets the description from titled texts; the empty ones are left out."""
        filled = [(title, text.strip()) for title, text in parts if text.strip()]
        texts = [f"{title}:\n{text}" if title else text for title, text in filled]
        if texts:
            self.fields["description"] = "\n\n".join(texts)

    def name(self, title: str) -> None:
        """Sets the name; what is longer than a name is also kept as description."""
        line = " ".join(title.split())
        self.fields["name"] = shortened(line, LONGEST_NAME)
        if len(line) > LONGEST_NAME:
            self.describe(("", line), ("", str(self.fields.get("description", ""))))

    def accept(self, criteria: str) -> None:
        """Sets the acceptance criteria: one a line if the text is a list, else one."""
        lines = [line for line in criteria.splitlines() if line.strip()]
        listed = len(lines) > 1 and all(_BULLET.match(line) or line[:1].isspace() for line in lines)
        if found := [_BULLET.sub("", line).strip() for line in lines] if listed else [criteria.strip()]:
            self.fields["acceptance_criteria"] = [text for text in found if text]


class Draft:
    """The tasks of a file in its order, other names of theirs, and notes on what could not be carried."""

    def __init__(self) -> None:
        self.tasks: list[DraftTask] = []
        # Other names of tasks, such as the number that Jira has beside the key.
        self.aliases: dict[str, str] = {}
        self._notes: dict[tuple[str, str], list[Line]] = {}

    def add(self, task: DraftTask) -> None:
        """Adds a task behind the others."""
        self.tasks.append(task)

    def note(self, line: Line, problem: str, rest: str = "") -> None:
        """Notes what could not be carried; equal notes become one with all their lines.

        `rest` says what became of it, behind the lines.
        """
        self._notes.setdefault((problem, rest), []).append(line)

    @property
    def notes(self) -> list[Fault]:
        """The notes in the order of the file."""
        made: list[Fault] = []
        for (problem, rest), lines in self._notes.items():
            first, *others = sorted(set(lines))
            made.append(Fault(first, "", "", f"{problem}{_also_at(others)}{f'; {rest}' if rest else ''}"))
        return sorted(made, key=lambda note: note.line)


def _also_at(lines: Sequence[Line]) -> str:
    if not lines:
        return ""
    more = len(lines) - _SHOWN_LINES
    shown = ", ".join(str(line) for line in lines[:_SHOWN_LINES])
    return f" (also at {'line' if len(lines) == 1 else 'lines'} {shown}{f' and {more} more' if more > 0 else ''})"


def ids_of(tasks: Sequence[DraftTask], prefix: str = "") -> list[str]:
    """Returns an id for each task: its key if that is one, else one that is made from it.

    Equal keys give equal ids, which the check of the plan refuses; different keys never do.
    """
    taken: dict[str, str] = {}
    made: dict[str, str] = {}
    for key in sorted(
        dict.fromkeys(task.key for task in tasks), key=lambda key: not _ID.fullmatch(prefix + key)
    ):
        found = prefix + key
        if not _ID.fullmatch(found):
            found = _NOT_OF_IDS.sub("-", found).strip("-._")[:_LONGEST_ID] or "task"
        made[key] = _free(found, taken)
        taken[made[key].casefold()] = key
    return [made[task.key] for task in tasks]


def _free(wanted: str, taken: dict[str, str]) -> str:
    found, number = wanted, 1
    while found.casefold() in taken:
        number += 1
        found = f"{wanted[: _LONGEST_ID - 8]}-{number}"
    return found


def document_of(
    tasks: Sequence[DraftTask], ids: Sequence[str], edges: Sequence[Sequence[Link]], draft: Draft
) -> Mapping:
    """Returns the task file as a document, each value with its line in the file of the tool."""
    listing = Listing(Line(1))
    for task, task_id, wanted in zip(tasks, ids, edges, strict=True):
        node = Mapping(task.line)
        node.entries["id"] = MappingEntry(task.line, Scalar(task.line, task_id, plain=False))
        for name, value in task.fields.items():
            made = _node(task, name, value, draft)
            if made is not None:
                node.entries[name] = MappingEntry(task.line, made)
        if wanted:
            names = [Scalar(link.line, link.key, plain=False) for link in wanted]
            node.entries["dependencies"] = MappingEntry(names[0].line, Listing(names[0].line, list(names)))
        listing.items.append(node)
    return Mapping(Line(1), {"tasks": MappingEntry(Line(1), listing)})


def _node(task: DraftTask, name: str, value: str | float | Sequence[str], draft: Draft) -> Node | None:
    if isinstance(value, int | float):
        return Scalar(task.line, f"{value:.6f}".rstrip("0").rstrip("."), plain=True)
    if isinstance(value, str):
        text = _cleaned(task, name, value, draft)
        if name in ("phase", "type"):
            text = shortened(text, _LONGEST_PHASE)
        return Scalar(task.line, text, plain=False) if text else None
    texts = [text for entry in value if (text := _cleaned(task, name, entry, draft))]
    return Listing(task.line, [Scalar(task.line, text, plain=False) for text in texts]) if texts else None


def _cleaned(task: DraftTask, name: str, text: str, draft: Draft) -> str:
    found = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if _CONTROL.search(found):
        draft.note(task.line, f"control characters in {name} are left out")
        found = _CONTROL.sub("", found)
    return found


def shortened(text: str, most: int) -> str:
    """Returns the text, or its beginning up to a space with "…"."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[most // 2 :] else cut) + "…"


def keys_of(line: Line, keys: Iterator[str] | Sequence[str]) -> list[Link]:
    """Returns links to the tasks of these keys, all named on one line."""
    return [Link(key, line) for key in keys]


def unknown_task(key: str) -> str:
    """Returns how a note begins about a task that the file does not have."""
    return f"{quoted(key)} is not in this file"
