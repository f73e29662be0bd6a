"""Exports of beads: an issue a line, with typed dependencies."""

from collections.abc import Iterator
from typing import Final

from amplifier_swarm.plan.faults import Fault, PlanRefused, quoted
from amplifier_swarm.plan.nodes import Line, Listing, Mapping
from amplifier_swarm.plan.source import Source
from swarmctl.formats.draft import Draft, DraftTask, Link
from swarmctl.formats.records import Record, json_root
from swarmctl.formats.words import set_status

_KNOWN: Final = frozenset(
    {
        *("id", "title", "description", "design", "notes", "acceptance_criteria", "status", "priority"),
        *("issue_type", "estimated_minutes", "dependencies"),
        # What only the tool itself needs.
        *(
            "created_at",
            "created_by",
            "updated_at",
            "closed_at",
            "close_reason",
            "owner",
            "source_repo",
            "content_hash",
        ),
        *(
            "compaction_level",
            "original_size",
            "deleted_at",
            "deleted_by",
            "delete_reason",
            "original_type",
            "_type",
        ),
        *("dependency_count", "dependent_count", "comment_count", "source_system", "started_at"),
    }
)
_PRIORITIES: Final = ("critical", "high", "medium", "low", 0)
_BLOCKING: Final = frozenset({"blocks", "waits-for", "conditional-blocks"})


def read_beads(source: Source) -> Draft:
    """Returns the issues; `blocks` is a dependency, and `parent-child` makes an issue a part of another.

    Raises:
        PlanRefused: a line is not a JSON object.
    """
    draft = Draft()
    for record in _records(source):
        if record.text("_type") not in ("", "issue"):
            draft.note(
                record.line,
                f"a record of the type {quoted(record.text('_type'))} is not an issue",
                "left out",
            )
        elif record.text("status") == "tombstone":
            draft.note(record.line, "a deleted issue (tombstone) is left out")
        else:
            draft.add(_task(draft, record))
    return draft


def _records(source: Source) -> Iterator[Record]:
    if source.text.lstrip().startswith("["):
        root = json_root(source)
        items = root.items if isinstance(root, Listing) else []
        yield from (Record(item) for item in items if isinstance(item, Mapping))
        return
    for number, line in enumerate(source.text.split("\n"), start=1):
        if not line.strip():
            continue
        root = json_root(Source(source.name, line), first_line=number)
        if not isinstance(root, Mapping):
            problem = "a line must be one JSON object; export with `bd export`"
            raise PlanRefused(source.name, [Fault(Line(number), "", "", problem)])
        yield Record(root)


def _task(draft: Draft, record: Record) -> DraftTask:
    task = DraftTask(record.text("id") or f"line-{record.line}", record.line)
    if not record.text("id"):
        draft.note(record.line, "an issue without an id is named by its line")
    task.describe(
        ("", record.text("description")), ("Design", record.text("design")), ("Notes", record.text("notes"))
    )
    task.name(record.text("title") or task.key)
    task.accept(record.text("acceptance_criteria"))
    if kind := record.text("issue_type"):
        task.fields["type"] = kind
    set_status(draft, task, record.text("status"))
    _set_priority(draft, task, record)
    if minutes := record.number("estimated_minutes"):
        task.fields["estimated_hours"] = minutes / 60
    for link in record.records("dependencies"):
        _add_link(draft, task, link)
    record.note_unknown(draft, _KNOWN)
    return task


def _set_priority(draft: Draft, task: DraftTask, record: Record) -> None:
    value = record.number("priority")
    if value is not None and value in range(len(_PRIORITIES)):
        task.fields["priority"] = _PRIORITIES[int(value)]
    elif record.get("priority") is not None:
        draft.note(
            record.line, f"the priority {quoted(record.text('priority'))} is not one from 0 to 4", "left out"
        )


def _add_link(draft: Draft, task: DraftTask, link: Record) -> None:
    kind, other = link.text("type") or "blocks", link.text("depends_on_id")
    if not other:
        draft.note(link.line, f"a dependency of {quoted(task.key)} names no issue", "left out")
    elif kind in _BLOCKING:
        task.waits_for.append(Link(other, link.line))
    elif kind == "parent-child" and task.parent is None:
        task.parent = Link(other, link.line)
    elif kind == "parent-child":
        draft.note(
            link.line, f"{quoted(task.key)} is also a part of {quoted(other)}", "a task has one parent"
        )
    else:
        draft.note(link.line, f"links of the type {quoted(kind)} are not carried")
