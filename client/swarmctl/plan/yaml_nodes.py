"""YAML text as values with lines, built event by event.

Invariant: nothing is expanded or built twice, and nothing recurses, so that no file can grow beyond its
size. YAML that plans may not use (anchors, aliases, merge keys, tags, deep nesting, a second document) is
refused with its line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from swarmctl.plan.faults import Fault, PlanRefused, quoted
from swarmctl.plan.nodes import Line, Listing, Mapping, MappingEntry, Node, Path, Scalar
from swarmctl.plan.source import Source

MAX_DEPTH: Final = 20
# Ten thousand full tasks have half a million; a value takes a few hundred bytes of memory.
MAX_VALUES: Final = 2_000_000
# Performance: libyaml is 40 times as fast (docs/performance.md); it is safe as long as only its events are used.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NO_ALIASES: Final = "YAML anchors and aliases are not allowed; write the value out"
NO_MERGES: Final = "YAML merge keys are not allowed; write the fields out, or use defaults"
NO_TAGS: Final = "YAML tags are not allowed; remove it"


@dataclass(frozen=True, slots=True)
class UnsupportedYaml:
    """YAML that plans may not use, and its place."""

    line: Line
    path: Path
    problem: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A document; its root is None if the text is empty."""

    root: Node | None
    unsupported: list[UnsupportedYaml]


def compose(source: Source) -> Composed:
    """Reads one document.

    Raises:
        PlanRefused: the text is not valid YAML, or is nested too deeply or too large.
    """
    composer = _NodeComposer(source.name)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            composer.add_event(event)
    except yaml.YAMLError as error:
        raise PlanRefused(source.name, [_syntax_fault(error, source.text)]) from error
    return Composed(composer.root, composer.unsupported)


class _NodeComposer:
    """A builder of nodes from events. The stack holds the open lists and mappings, the outermost first."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.unsupported: list[UnsupportedYaml] = []
        self._file = file
        self._stack: list[Listing | Mapping] = []
        # For each open mapping the key that has no value yet; None where a key comes next.
        self._keys: list[Scalar | None] = []
        self._values = 0
        self._documents = 0

    def add_event(self, event: Any) -> None:
        """Adds one event; events arrive in the order of the text."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._check_node(event)
            self._add(Scalar(_line(event), event.value, not event.style))
        elif kind is yaml.MappingStartEvent:
            self._open(event, Mapping(_line(event)))
        elif kind is yaml.SequenceStartEvent:
            self._open(event, Listing(_line(event)))
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self._keys.pop()
            self._add(self._stack.pop())
        elif kind is yaml.AliasEvent:
            self._add_unsupported(event, NO_ALIASES)
            self._add(Scalar(_line(event), "", plain=False))
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self._refuse(event, "expected a single document; remove what follows ---")

    def _open(self, event: Any, node: Listing | Mapping) -> None:
        self._check_node(event)
        if len(self._stack) == MAX_DEPTH:
            self._refuse(event, f"nesting deeper than {MAX_DEPTH}; no task needs that")
        self._stack.append(node)
        self._keys.append(None)

    def _check_node(self, event: Any) -> None:
        if event.anchor is not None:
            self._add_unsupported(event, NO_ALIASES)
        if event.tag is not None:
            self._add_unsupported(event, NO_TAGS)
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES:,} values; split the plan")

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        if isinstance(parent, Listing):
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = self._key(node)
            return
        parent.entries.setdefault(key.text, MappingEntry(key.line, node))
        self._keys[-1] = None

    def _key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            self.unsupported.append(
                UnsupportedYaml(node.line, tuple(self._path()), "a key must be text; quote it")
            )
            return Scalar(node.line, "", plain=False)
        parent = self._stack[-1]
        if node.plain and node.text == "<<":
            self.unsupported.append(UnsupportedYaml(node.line, tuple(self._path()), NO_MERGES))
        elif isinstance(parent, Mapping) and (first := parent.entries.get(node.text)):
            problem = f"duplicate key {quoted(node.text)} (first at line {first.line}); keep one"
            self.unsupported.append(UnsupportedYaml(node.line, (*self._path(), node.text), problem))
        return node

    def _add_unsupported(self, event: Any, problem: str) -> None:
        self.unsupported.append(UnsupportedYaml(_line(event), tuple(self._path()), problem))

    def _path(self) -> Iterator[str | int]:
        for node, key in zip(self._stack, self._keys, strict=True):
            if isinstance(node, Listing):
                yield len(node.items)
            elif key is not None:
                yield key.text

    def _refuse(self, event: Any, problem: str) -> None:
        raise PlanRefused(self._file, [Fault(_line(event), "", "", problem)])


def _line(event: Any) -> Line:
    return Line(event.start_mark.line + 1)


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Fault(0, "", "", f"not valid YAML: {error}")
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "it can't be read"
    if mark is None:
        return Fault(0, "", "", f"not valid YAML: {problem}")
    if "end of stream" in problem and error.context_mark is not None:
        # The mark of the opening sign helps more than the end of the file.
        mark = error.context_mark
    detail = f"{error.context}, {problem}" if error.context else problem
    hint = _hint(problem, text, mark)
    return Fault(mark.line + 1, "", "", f"not valid YAML: {detail}; {hint}")


def _hint(problem: str, text: str, mark: Any) -> str:
    line = text.split("\n", mark.line + 1)[mark.line] if mark.line < text.count("\n") + 1 else ""
    if "cannot start any token" in problem and line[mark.column : mark.column + 1] == "\t":
        return "indent with spaces, not tabs"
    if "end of stream" in problem:
        return "close the quote or bracket that opens here"
    if "mapping values" in problem:
        return 'quote the text if it holds ": "'
    return "see that the indentation is even and what opens is closed"
