"""Issues of GitHub, as `gh issue list --json …` and the REST API print them."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.nodes import Listing, Mapping
from amplifier_swarm.plan.source import Source
from swarmctl.formats.draft import Draft, DraftTask, Link
from swarmctl.formats.records import Record, json_root
from swarmctl.formats.words import priority_in, set_status

# `12` alone would be taken for a number by other readers of the task file.
_PREFIX: Final = "gh-"
_KNOWN: Final = frozenset(
    {
        *(
            "number",
            "title",
            "body",
            "state",
            "stateReason",
            "state_reason",
            "labels",
            "milestone",
            "issueType",
            "type",
        ),
        *("blockedBy", "blocking", "parent", "subIssues"),
        # Addresses, times and persons, which a task has no use for.
        *("id", "url", "html_url", "createdAt", "updatedAt", "closedAt", "closed", "author", "node_id"),
    }
)
# A sentence of the text that names what the issue waits for, such as "Blocked by #12 and #13".
_WAITS: Final = re.compile(
    r"\b(?:depends on|blocked by|requires)\b:?\s*((?:[\s,&]|and|(?<![\w/])#\d+\b)+)", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"#(\d+)")


def read_github(source: Source) -> Draft:
    """Returns the issues as `gh-12`.

    Dependencies are those of `blockedBy` and `blocking`, and those that the text states as "blocked by #12" or
    "depends on #12". `parent` and `subIssues` make an issue a part of another.

    Raises:
        PlanRefused: the file is not a list of issues.
    """
    draft = Draft()
    root = json_root(source)
    if not isinstance(root, Listing):
        problem = (
            "no list of issues; write it with `gh issue list --json number,title,body,state,labels,milestone`"
        )
        raise PlanRefused(source.name, [Fault(root.line, "", "", problem)])
    for item in root.items:
        record = Record(item) if isinstance(item, Mapping) else None
        if record is None or not record.text("number"):
            draft.note(item.line, "an entry without a number is not an issue", "left out")
        elif record.get("pull_request") is not None:
            draft.note(item.line, "a pull request is left out")
        else:
            draft.add(_task(draft, record))
    _link_others(draft, [Record(item) for item in root.items if isinstance(item, Mapping)])
    return draft


def _link_others(draft: Draft, records: Sequence[Record]) -> None:
    """Adds the links that an issue has to those that it blocks, and to its parts."""
    tasks = {task.key: task for task in draft.tasks}
    for record in records:
        own = Link(_key(record), record.line)
        for other in _numbers(record, "blocking"):
            if other in tasks:
                tasks[other].waits_for.append(own)
        for other in _numbers(record, "subIssues"):
            if other in tasks and tasks[other].parent is None:
                tasks[other].parent = own


def _key(record: Record) -> str:
    return _PREFIX + record.text("number")


def _task(draft: Draft, record: Record) -> DraftTask:
    task = DraftTask(_key(record), record.line)
    body = record.text("body")
    task.describe(("", body))
    task.name(record.text("title") or task.key)
    set_status(
        draft,
        task,
        record.text("stateReason", "state_reason") if _not_planned(record) else record.text("state"),
    )
    for name, field in (("milestone", "phase"), ("issueType", "type"), ("type", "type")):
        if isinstance(value := record.get(name), Mapping) and (text := Record(value).text("title", "name")):
            task.fields[field] = text
    for label in record.records("labels"):
        if (priority := priority_in(label.text("name"))) is not None:
            task.fields["priority"] = priority
        else:
            draft.note(label.line, "labels that name no priority are not carried")
    task.waits_for += [Link(other, record.line) for other in _numbers(record, "blockedBy")]
    stated = [number for match in _WAITS.finditer(body) for number in _NUMBER.findall(match[1])]
    task.waits_for += [Link(_PREFIX + number, record.line) for number in stated]
    if isinstance(parent := record.get("parent"), Mapping):
        task.parent = Link(_PREFIX + Record(parent).text("number"), record.line)
    record.note_unknown(draft, _KNOWN)
    return task


def _not_planned(record: Record) -> bool:
    return record.text("stateReason", "state_reason").lower() in ("not_planned", "duplicate")


def _numbers(record: Record, *names: str) -> Iterator[str]:
    """Yields the keys of linked issues: a list, or a page of nodes."""
    for name in names:
        value = record.get(name)
        holder = Record(value) if isinstance(value, Mapping) else record
        for other in holder.records("nodes" if isinstance(value, Mapping) else name):
            if other.text("number"):
                yield _PREFIX + other.text("number")
