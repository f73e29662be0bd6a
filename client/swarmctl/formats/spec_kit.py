"""Lists of spec-kit: `- [ ] T012 [P] [US1] Create … (depends on T003)` under headings of phases.

The order of work is that of spec-kit: phases follow each other, those of user stories run side by side, and inside a
phase a task without `[P]` waits for those above it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from amplifier_swarm.plan.nodes import Line
from amplifier_swarm.plan.source import Source
from swarmctl.formats.draft import Draft, DraftTask, Link

_TASK: Final = re.compile(r"^\s{0,3}[-*+] \[([ xX])\]\s+[*_`~]*(T\d+[A-Za-z]?(?:\.\d+)?)[*_`~]*[:.]?\s*(.*)$")
_CHECKBOX: Final = re.compile(r"^\s{0,3}[-*+] \[[ xX]\]\s")
_HEADING: Final = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_PARALLEL: Final = re.compile(r"^\[P\]\s*", re.IGNORECASE)
_STORY_MARK: Final = re.compile(r"^\[(US\d+|Story[^\]]*)\]\s*", re.IGNORECASE)
_STORY: Final = re.compile(r"user story|\bUS\d", re.IGNORECASE)
_FENCE: Final = re.compile(r"^\s*(```|~~~)")
# The rest of a sentence that names what a task waits for.
_WAITS: Final = re.compile(
    r"\b(?:depends? on|dependenc(?:y|ies):|requires|blocked by|after)\b([^;.]*)", re.IGNORECASE
)
_IDS: Final = re.compile(r"\bT(\d+)([A-Za-z]?)(?:\s*(?:-|–|to|through)\s*T?(\d+)\b)?")
_INPUT: Final = re.compile(r"^\*\*Input\*\*:.*?`/?(specs/[\w.-]+)/?`")
_LONGEST_RANGE: Final = 1_000


@dataclass(slots=True)
class _Phase:
    """A phase: its title, and its tasks with the numbers of those in it that each waits for."""

    title: str
    line: Line
    tasks: list[DraftTask] = field(default_factory=list)
    waiting: dict[str, set[str]] = field(default_factory=dict)

    @property
    def is_story(self) -> bool:
        """True if it belongs to one user story, and so runs beside those of others."""
        return _STORY.search(self.title) is not None

    @property
    def last(self) -> list[str]:
        """The tasks for which no other task of the phase waits."""
        followed = set().union(*self.waiting.values()) if self.waiting else set()
        return [task.key for task in self.tasks if task.key not in followed]


def read_spec_kit(source: Source) -> Draft:
    """Returns the tasks by their ids; phases are those of the headings."""
    draft = Draft()
    phases, documents = _Reader(draft).read(source.text.splitlines())
    before: list[str] = []
    stories: list[str] = []
    for phase in phases:
        if phase.is_story:
            gate = before
            stories += phase.last
        else:
            gate = stories or before
            before, stories = phase.last or gate, []
        for task in phase.tasks:
            if not phase.waiting[task.key]:
                task.waits_for += [Link(key, task.line) for key in gate]
            if documents:
                task.fields["design_docs"] = documents
            draft.add(task)
    return draft


class _Reader:
    """A reader that makes one pass over the lines."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._phases = [_Phase("", Line(1))]
        self._task: DraftTask | None = None
        self._more: list[str] = []
        self._keys: set[str] = set()
        self._folder = ""
        self._documents: list[str] = []

    def read(self, lines: Sequence[str]) -> tuple[list[_Phase], list[str]]:
        """Returns the phases with tasks, and the documents that the list names as its input."""
        fenced = False
        for number, line in enumerate(lines, start=1):
            if _FENCE.match(line):
                fenced = not fenced
            elif not fenced:
                self._read_line(Line(number), line)
        self._end_task()
        return [phase for phase in self._phases if phase.tasks], self._documents

    def _read_line(self, number: Line, line: str) -> None:
        if heading := _HEADING.match(line):
            self._end_task()
            if len(heading[1]) <= 2 or heading[2].lower().startswith("phase"):
                self._phases.append(_Phase(heading[2], number))
        elif match := _TASK.match(line):
            self._end_task()
            self._begin_task(number, done=match[1] != " ", key=match[2], text=match[3])
        elif self._task is not None and line[:1] in (" ", "\t") and line.strip():
            self._more.append(line.strip())
        elif line.strip():
            self._end_task()
            self._read_other(number, line)

    def _read_other(self, number: Line, line: str) -> None:
        if _CHECKBOX.match(line):
            self._draft.note(number, "a checkbox without an id such as T001 is left out")
        elif match := _INPUT.match(line):
            self._folder = match[1]
        elif line.startswith("**Prerequisites**") and self._folder:
            named = (name for name in ("spec.md", "plan.md") if name in line)
            self._documents = [f"{self._folder}/{name}" for name in named]

    def _begin_task(self, number: Line, *, done: bool, key: str, text: str) -> None:
        parallel, text = _without_marks(text)
        phase = self._phases[-1]
        key = self._unique(number, key)
        self._task = task = DraftTask(key, number)
        task.name(text or key)
        if done:
            task.fields["status"] = "completed"
        if phase.title:
            task.fields["phase"] = phase.title
        inside = {other.key for other in phase.tasks}
        stated = [other for match in _WAITS.finditer(text) for other in _ids_in(match[1]) if other != key]
        task.waits_for = [Link(other, number) for other in stated]
        waiting = inside & set(stated)
        if not stated and not parallel:
            waiting = set(phase.last)
            task.waits_for += [Link(other.key, number) for other in phase.tasks if other.key in waiting]
        phase.tasks.append(task)
        phase.waiting[key] = waiting

    def _unique(self, number: Line, key: str) -> str:
        """Returns the id, or for one that is there already, as in lists that models write, another."""
        found, count = key, 1
        while found in self._keys:
            count += 1
            found = f"{key}-{count}"
        if found != key:
            self._draft.note(number, f'the id {key} is there twice; the second task is "{found}"')
        self._keys.add(found)
        return found

    def _end_task(self) -> None:
        if self._task is not None and self._more:
            text = str(self._task.fields.get("description", ""))
            self._task.describe(("", text), ("", "\n".join(self._more)))
        self._task, self._more = None, []


def _without_marks(text: str) -> tuple[bool, str]:
    """Returns whether the text begins with `[P]`, and the text without `[P]` and the mark of its story."""
    parallel = False
    while match := _PARALLEL.match(text) or _STORY_MARK.match(text):
        parallel = parallel or _PARALLEL.match(text) is not None
        text = text[match.end() :]
    return parallel, text.strip()


def _ids_in(text: str) -> Iterator[str]:
    """Yields the ids that a text names, each of a range such as `T010-T013`."""
    for match in _IDS.finditer(text):
        first, width = int(match[1]), len(match[1])
        last = int(match[3]) if match[3] else first
        if last <= first or last - first > _LONGEST_RANGE:
            yield f"T{match[1]}{match[2]}"
        else:
            yield from (f"T{number:0{width}}" for number in range(first, last + 1))
