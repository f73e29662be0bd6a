"""Files of Task Master: numbered tasks with subtasks, in one list or in one list a tag."""

from collections.abc import Iterator
from typing import Final

from amplifier_swarm.plan.faults import Fault, PlanRefused, quoted
from amplifier_swarm.plan.nodes import Listing, Mapping
from amplifier_swarm.plan.source import Source
from swarmctl.formats.draft import Draft, DraftTask, Link
from swarmctl.formats.records import Record, json_root
from swarmctl.formats.words import set_priority, set_status

# The tag of a file that has no others; its tasks keep their plain numbers.
_MAIN_TAG: Final = "master"
_KNOWN: Final = frozenset(
    {
        *("id", "title", "description", "details", "testStrategy", "status", "priority", "dependencies"),
        *("subtasks", "parentTaskId", "parentId", "tag"),
    }
)


def read_task_master(source: Source) -> Draft:
    """Returns the tasks as `12`, subtasks as `12.3`, those of another tag than master as `TAG-12.3`.

    Raises:
        PlanRefused: the file has no list of tasks.
    """
    draft = Draft()
    root = json_root(source)
    lists = list(_lists(root)) if isinstance(root, Mapping) else []
    if not lists:
        problem = (
            'no list "tasks", neither at the top nor under a tag; give the file .taskmaster/tasks/tasks.json'
        )
        raise PlanRefused(source.name, [Fault(0, "", "", problem)])
    for tag, record in lists:
        _Tag(draft, tag).read(record)
    return draft


def _lists(root: Mapping) -> Iterator[tuple[str, Record]]:
    if isinstance(Record(root).get("tasks"), Listing):
        yield _MAIN_TAG, Record(root)
    for tag, entry in root.entries.items():
        if isinstance(entry.value, Mapping) and isinstance(Record(entry.value).get("tasks"), Listing):
            yield tag, Record(entry.value)


class _Tag:
    """The tasks of one tag, whose numbers are their own."""

    def __init__(self, draft: Draft, tag: str) -> None:
        self._draft = draft
        self._tag = tag
        self._prefix = "" if tag == _MAIN_TAG else f"{tag}-"

    def read(self, record: Record) -> None:
        """Adds the tasks."""
        for number, task in enumerate(record.records("tasks"), start=1):
            self._add(task, "", frozenset(), number)

    def _add(self, record: Record, above: str, siblings: frozenset[str], place: int) -> None:
        number = record.text("id")
        if not number:
            self._draft.note(record.line, "a task without an id has got the number of its place in the list")
            number = str(place)
        # Some files write the id of a subtask in full.
        full = number if not above or number.startswith(f"{above}.") else f"{above}.{number}"
        task = DraftTask(self._prefix + full, record.line)
        task.describe(("", record.text("description")), ("", record.text("details")))
        task.name(record.text("title") or f"Task {full}")
        task.accept(record.text("testStrategy"))
        if self._prefix:
            task.fields["phase"] = self._tag
        set_status(self._draft, task, record.text("status"))
        set_priority(self._draft, task, record.text("priority"))
        if above:
            task.parent = Link(self._prefix + above, record.line)
        for wanted in record.texts("dependencies"):
            inside = above and "." not in wanted.text and wanted.text in siblings
            key = f"{above}.{wanted.text}" if inside else wanted.text
            task.waits_for.append(Link(self._prefix + key, wanted.line))
        record.note_unknown(self._draft, _KNOWN)
        self._draft.add(task)
        parts = record.records("subtasks")
        numbers = frozenset(part.text("id") for part in parts)
        if len(parts) < len(record.items("subtasks")):
            self._draft.note(record.line, f"a subtask of {quoted(full)} is not an object", "left out")
        for index, part in enumerate(parts, start=1):
            self._add(part, full, numbers, index)
