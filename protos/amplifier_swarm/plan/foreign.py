"""Task lists of other tools: recognized by their look, and named with the way in where a file is not a plan.

Invariant: this module is only asked about a file that is refused or is to be converted, so it never keeps a plan out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

from amplifier_swarm.plan.source import Source

WAY_IN: Final = "make a task of each entry (id, name, description, dependencies); see docs/writing-tasks.md"


class FormatName(StrEnum):
    """The formats that can be converted, as `--from` names them."""

    AUTO = "auto"
    TASKMASTER = "taskmaster"
    SPECKIT = "speckit"
    BEADS = "beads"
    CSV = "csv"
    PREDECESSOR_DB = "predecessor-db"
    GITHUB_JSON = "github-json"


_DOCUMENTS: Final = 5
_TASK_MASTER: Final = "a file of Task Master"
_SPECKIT_LIST: Final = "a Markdown checklist of spec-kit"
_BEADS_ISSUES: Final = "beads issues"
_GITHUB_ISSUES: Final = "GitHub issues (`gh issue list --json`)"
_JIRA_CSV: Final = "a CSV file of Jira"
_CSV_FILE: Final = "a CSV file"
_JSON_LINES: Final = "JSON lines: "
_CONVERTIBLE: Final[Mapping[str, FormatName]] = {
    _TASK_MASTER: FormatName.TASKMASTER,
    _SPECKIT_LIST: FormatName.SPECKIT,
    _BEADS_ISSUES: FormatName.BEADS,
    _GITHUB_ISSUES: FormatName.GITHUB_JSON,
    _JIRA_CSV: FormatName.CSV,
    _CSV_FILE: FormatName.CSV,
}
_CHECKBOX: Final = re.compile(r"^\s*[-*+] \[[ xX]\]", re.MULTILINE)
_SPEC_KIT: Final = re.compile(r"^\s*[-*+] \[[ xX]\]\s+[*_`~]*T\d{3,}", re.MULTILINE)
_MARKDOWN: Final = re.compile(r"#{1,6} \S[^\n]*\n\s*\n|\|.*\|\s*\n\|[-:| ]+\|")
_TOML_HEAD: Final = re.compile(r"\[\[?[\w.-]+\]\]?$")
_YAML_KEY: Final = re.compile(r"^([A-Za-z_]+):", re.MULTILINE)
# A plan, whatever its faults are.
_PLAN: Final = re.compile(r"^tasks\s*:", re.MULTILINE)
_CSV_HEAD: Final = re.compile(r'^"?[\w ()/#-]+"?([,;\t]"?[^,;\t\n]*"?)+$')
_JIRA_HEAD: Final = re.compile(r"\bIssue (key|id)\b|\bSummary\b.*\bIssue Type\b", re.IGNORECASE)
_KINDS_OF_LIST: Final[Sequence[tuple[frozenset[str], str]]] = (
    (frozenset({"number", "title"}), _GITHUB_ISSUES),
    (frozenset({"iid", "title"}), "GitLab issues"),
    (frozenset({"identifier", "title"}), "Linear issues"),
    (frozenset({"key", "fields"}), "Jira issues"),
    (frozenset({"content", "activeForm"}), "an agent's to-do list"),
    (frozenset({"content", "status", "priority"}), "an agent's to-do list"),
    (frozenset({"issue_type", "title"}), _BEADS_ISSUES),
)
# What `swarmctl list -o json` prints of each task.
_OUR_LIST: Final = frozenset({"id", "status", "attempt", "blocked_by"})
_KINDS_OF_MAPPING: Final[Sequence[tuple[frozenset[str], str]]] = (
    (frozenset({"cards", "lists"}), "a Trello board"),
    (frozenset({"userStories"}), "a PRD with user stories"),
    (frozenset({"jobs", "on"}), "a workflow of GitHub Actions"),
    (frozenset({"services"}), "a Compose file"),
    (frozenset({"dependencies", "scripts"}), "a package.json"),
    (frozenset({"steps", "name"}), "a recipe with steps"),
    (frozenset({"issues"}), "a list of issues"),
    (frozenset({"todos"}), "an agent's to-do list"),
)


def foreign_format(source: Source) -> str | None:
    """Returns what the file looks like, with the way in; None if it is not known."""
    name = _recognized(source)
    if name is None:
        return None
    if (convertible := _convertible(name)) is not None:
        return (
            f"this looks like {name}; add --from {convertible}, or see what becomes of it: "
            f"swarmctl convert {source.name}"
        )
    return f"this looks like {name}" if ";" in name else f"this looks like {name}; {WAY_IN}"


def convertible_format(source: Source) -> FormatName | None:
    """Returns the format that the text has by its look; None if it has none that can be converted."""
    name = _recognized(source)
    return None if name is None else _convertible(name)


def _convertible(name: str) -> FormatName | None:
    return _CONVERTIBLE.get(name.removeprefix(_JSON_LINES))


def _recognized(source: Source) -> str | None:
    text = source.text.strip()
    return (_json_format(text) if text[:1] in ("{", "[") else None) or _text_format(source.name, text)


def _json_format(text: str) -> str | None:
    with suppress(ValueError, RecursionError):
        document = json.loads(text)
        bare = (
            'a bare list; write {"tasks": […]} around a list of tasks' if isinstance(document, list) else None
        )
        return _format_of(document) or bare
    lines = text.split("\n", _DOCUMENTS)[:_DOCUMENTS]
    documents = []
    for line in lines:
        try:
            documents.append(json.loads(line))
        except (ValueError, RecursionError):
            return None
    known = _format_of(documents) if len(lines) > 1 else None
    return f"{_JSON_LINES}{known or 'one JSON object a line'}" if len(lines) > 1 else None


def _format_of(document: Any) -> str | None:
    if isinstance(document, Mapping):
        return _mapping_format(document)
    if not isinstance(document, Sequence) or isinstance(document, str):
        return None
    first = next((entry for entry in document if isinstance(entry, Mapping)), None)
    if first is None:
        return None
    if first.keys() >= _OUR_LIST:
        return "the output of `swarmctl list -o json`, which lacks the definitions; use `swarmctl export -o json`"
    entries = [entry for entry in document[:_DOCUMENTS] if isinstance(entry, Mapping)]
    if any("depends_on_id" in json.dumps(entry.get("dependencies", "")) for entry in entries):
        return _BEADS_ISSUES
    return next((name for keys, name in _KINDS_OF_LIST if keys <= first.keys()), None)


def _mapping_format(document: Mapping[str, Any]) -> str | None:
    if _is_task_master(document) or any(
        isinstance(part, Mapping) and _is_task_master(part) for part in document.values()
    ):
        return _TASK_MASTER
    if isinstance(document.get("tasks"), Sequence) and document["tasks"]:
        first = document["tasks"][0]
        if isinstance(first, Mapping) and {"label", "type"} <= first.keys():
            return "the tasks.json of an editor"
    return next((name for keys, name in _KINDS_OF_MAPPING if keys <= document.keys()), None)


def _is_task_master(part: Mapping[str, Any]) -> bool:
    tasks = part.get("tasks")
    if not isinstance(tasks, Sequence) or isinstance(tasks, str):
        return False
    own = {"testStrategy", "subtasks", "details"}
    return any(isinstance(task, Mapping) and "title" in task and own & task.keys() for task in tasks)


def _text_format(file: str, text: str) -> str | None:
    if _PLAN.search(text):
        return None
    head = text.split("\n", 1)[0].rstrip("\r")
    is_named_csv = file.lower().endswith((".csv", ".tsv"))
    is_csv = is_named_csv or _CSV_HEAD.match(head)
    is_markdown = file.lower().endswith((".md", ".markdown")) or _MARKDOWN.match(text)
    found: Sequence[tuple[object, str]] = (
        (text.startswith("PK\x03\x04"), "a spreadsheet or an archive"),
        (text.startswith(("<?xml", "<html", "<!DOCTYPE")), "an XML or HTML file"),
        (is_csv and _JIRA_HEAD.search(head), _JIRA_CSV),
        (is_named_csv, _CSV_FILE),
        (_SPEC_KIT.search(text), _SPECKIT_LIST),
        (_CHECKBOX.search(text), "a Markdown checklist"),
        (is_csv, _CSV_FILE),
        (is_markdown, "a Markdown file"),
        (file.lower().endswith(".toml") or _TOML_HEAD.match(head), "a TOML file"),
    )
    if (name := next((name for applies, name in found if applies), None)) is not None:
        return name
    keys = frozenset(_YAML_KEY.findall(text))
    return next((name for wanted, name in _KINDS_OF_MAPPING if wanted <= keys), None)
