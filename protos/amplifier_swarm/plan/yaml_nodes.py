"""YAML text as values with lines, built event by event.

Invariant: nothing is expanded or built twice, and nothing recurses, so that no file can grow beyond its
size. YAML that plans may not use (anchors, aliases, merge keys, tags, deep nesting, a second document) is
refused with its line.
"""

from typing import Any, Final

import yaml

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.node_builder import Composed, NodeBuilder
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, Scalar
from amplifier_swarm.plan.source import Source, check_printable

# Performance: libyaml is 40 times as fast (docs/performance.md); it is safe as long as only its events are used.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NO_ALIASES: Final = "YAML anchors and aliases are not allowed; write the value out"
NO_MERGES: Final = "YAML merge keys are not allowed; write the fields out, or use defaults"
NO_TAGS: Final = "YAML tags are not allowed; remove it"


class InvalidYaml(PlanRefused):
    """The refusal of a text that is not YAML at all."""


def compose(source: Source) -> Composed:
    """Reads one document.

    Raises:
        PlanRefused: the text is not valid YAML, or is nested too deeply or too large.
    """
    check_printable(source)
    reader = _EventReader(source.name)
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            reader.add_event(event)
    except yaml.YAMLError as error:
        raise InvalidYaml(source.name, [_syntax_fault(error, source.text)]) from error
    return reader.builder.composed()


class _EventReader:
    """Passes the events of a YAML document on to a builder, and reports what plans may not use."""

    def __init__(self, file: str) -> None:
        self.builder = NodeBuilder(file)
        self._documents = 0

    def add_event(self, event: Any) -> None:
        """Adds one event; events arrive in the order of the text."""
        kind, line = type(event), _line(event)
        if kind is yaml.ScalarEvent:
            self._check(event)
            self.builder.count(line)
            if not event.style and event.value == "<<" and self.builder.expects_key:
                self.builder.report(line, NO_MERGES)
            self.builder.add(Scalar(line, event.value, not event.style))
        elif kind is yaml.MappingStartEvent:
            self._check(event)
            self.builder.open(Mapping(line))
        elif kind is yaml.SequenceStartEvent:
            self._check(event)
            self.builder.open(Listing(line))
        elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
            self.builder.close()
        elif kind is yaml.AliasEvent:
            self.builder.report(line, NO_ALIASES)
            self.builder.add(Scalar(line, "", plain=False))
        elif kind is yaml.DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self.builder.refuse(line, "expected a single document; remove what follows ---")

    def _check(self, event: Any) -> None:
        if event.anchor is not None:
            self.builder.report(_line(event), NO_ALIASES)
        if event.tag is not None:
            self.builder.report(_line(event), NO_TAGS)


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
