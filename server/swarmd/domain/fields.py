"""Checks of the fields of one task; the messages name the fields as task files do."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.budget import MAX_TOKENS
from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.errors import FieldFault
from swarmd.domain.exclusive import MAX_NAMES_OF_TASK, name_problem
from swarmd.domain.model import ID_PATTERN
from swarmd.domain.paths import (
    command_problem,
    command_warning,
    path_problem,
    path_warning,
    pattern_problem,
)
from swarmd.domain.rehearsal import Rehearsal
from swarmd.domain.sandbox import (
    MAX_CPUS,
    MAX_MEMORY,
    MAX_PIDS,
    MIN_CPUS,
    MIN_MEMORY,
    MIN_PIDS,
    NO_LIMITS,
    NetworkAccess,
    SandboxKind,
)
from swarmd.domain.workspaces import WorkspaceKind

MAX_TIMEOUT_S: Final = 7 * 24 * 3600
MAX_ENTRIES: Final = 1_000
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_TOOLS: Final = ("read_file", "write_file", "bash")


def field_faults(place: str, task: PlannedTask) -> Iterator[FieldFault]:
    """Yields the faults of one task, except those of its id and its dependencies."""
    definition = task.definition
    yield from _texts(place, definition)
    yield from _numbers(place, definition)
    yield from _entries(f"{place}.files", "files", definition.files, path_problem)
    yield from _entries(f"{place}.design_docs", "design_docs", definition.design_docs, path_problem)
    yield from _entries(f"{place}.keep", "keep", definition.keep, path_problem)
    yield from _entries(f"{place}.artifacts", "artifacts", definition.artifacts, pattern_problem)
    yield from _entries(
        f"{place}.exclusive", "exclusive", definition.exclusive, name_problem, most=MAX_NAMES_OF_TASK
    )
    yield from _labels(f"{place}.labels", definition)
    if definition.discovered_from and not ID_PATTERN.fullmatch(definition.discovered_from):
        yield FieldFault(f"{place}.discovered_from", "discovered_from must be the id of a task")
    yield from _sandbox(place, definition)
    yield from _approval(place, definition)
    if definition.rehearsal is not None:
        yield from _rehearsal(f"{place}.rehearsal", definition.rehearsal)


def field_warnings(place: str, task: PlannedTask) -> Iterator[FieldFault]:
    """Yields a warning for each path and command that is possible, but unlikely to be meant so."""
    definition = task.definition
    lists = (
        ("files", definition.files, path_warning),
        ("design_docs", definition.design_docs, path_warning),
        ("keep", definition.keep, path_warning),
        ("artifacts", definition.artifacts, path_warning),
        ("checks", definition.checks, command_warning),
        ("setup", definition.setup, command_warning),
        ("landing_checks", definition.landing_checks, command_warning),
    )
    for name, texts, warning in lists:
        for index, text in enumerate(texts):
            if (problem := warning(text)) is not None:
                yield FieldFault(f"{place}.{name}[{index}]", f"{name}[{index}] {problem}")


def _texts(place: str, definition: TaskDefinition) -> Iterator[FieldFault]:
    lines: tuple[tuple[str, str, int], ...] = (
        ("name", definition.name, 500),
        ("phase", definition.phase, 128),
        ("type", definition.type, 128),
        ("builder_agent", definition.builder_agent, 256),
        ("validator_agent", definition.validator_agent, 256),
    )
    for name, text, most in lines:
        yield from _text(f"{place}.{name}", name, text, most=most, newlines=False)
    yield from _text(
        f"{place}.description", "description", definition.description, most=1_048_576, newlines=True
    )
    lists = (
        ("acceptance_criteria", definition.acceptance_criteria, None),
        ("checks", definition.checks, command_problem),
        ("setup", definition.setup, command_problem),
        ("landing_checks", definition.landing_checks, command_problem),
    )
    for name, texts, problem_of in lists:
        if len(texts) > MAX_ENTRIES:
            yield FieldFault(f"{place}.{name}", f"{name} has {len(texts)} entries; at most {MAX_ENTRIES}")
        for index, text in enumerate(texts):
            what = f"{name}[{index}]"
            yield from _text(f"{place}.{what}", what, text, most=65_536, newlines=True)
            if not text.strip():
                yield FieldFault(f"{place}.{what}", f"{what} is empty; remove it")
            elif problem_of is not None and (problem := problem_of(text)) is not None:
                yield FieldFault(f"{place}.{what}", f"{what} {problem}")


def _text(place: str, name: str, text: str, *, most: int, newlines: bool) -> Iterator[FieldFault]:
    if len(text) > most:
        yield FieldFault(place, f"{name} has {len(text)} characters; at most {most}")
    if not text or text.isprintable():
        return
    allowed = "\t\n\r" if newlines else ""
    # Characters of the categories C* are invisible; only the control characters C0 and C1 can harm a terminal.
    bad = next((c for c in text if (c < " " or "\x7f" <= c <= "\x9f") and c not in allowed), None)
    if bad is not None:
        yield FieldFault(place, f"control character U+{ord(bad):04X} not allowed in {name}")


def _numbers(place: str, definition: TaskDefinition) -> Iterator[FieldFault]:
    ranges: tuple[tuple[str, float | None, float, float, str], ...] = (
        ("priority", definition.priority, -1000, 1000, "critical/high/medium/low or an integer -1000..1000"),
        ("estimated_hours", definition.estimated_hours, 0, 100_000, "a number of hours from 0 to 100000"),
        ("max_retries", definition.max_retries, 0, 100, "an integer from 0 to 100"),
        ("builder_timeout", definition.builder_timeout_s, 1, MAX_TIMEOUT_S, "seconds from 1 to 604800"),
        ("validator_timeout", definition.validator_timeout_s, 1, MAX_TIMEOUT_S, "seconds from 1 to 604800"),
        ("stall_timeout", definition.stall_timeout_s, 0, MAX_TIMEOUT_S, "seconds from 0 to 604800"),
        ("check_timeout", definition.check_timeout_s, 1, MAX_TIMEOUT_S, "seconds from 1 to 604800"),
        ("ask_timeout", definition.ask_timeout_s, 0, MAX_TIMEOUT_S, "seconds from 0 to 604800"),
        ("max_tokens", definition.max_tokens, 0, MAX_TOKENS, "an integer from 0 to a million million"),
    )
    for name, value, low, high, wanted in ranges:
        # The comparison is written so that a NaN is refused too.
        if value is not None and not low <= value <= high:
            yield FieldFault(f"{place}.{name}", f"{name} must be {wanted}, got {value:g}")


def _entries(
    place: str,
    name: str,
    texts: Sequence[str],
    problem_of: Callable[[str], str | None],
    *,
    most: int = MAX_ENTRIES,
) -> Iterator[FieldFault]:
    if len(texts) > most:
        yield FieldFault(place, f"{name} has {len(texts)} entries; at most {most}")
        return
    for index, text in enumerate(texts):
        what = f"{name}[{index}]"
        if faults := list(_text(f"{place}[{index}]", what, text, most=1024, newlines=False)):
            yield from faults
        elif (problem := problem_of(text)) is not None:
            yield FieldFault(f"{place}[{index}]", f"{what} {problem}")


def _labels(place: str, definition: TaskDefinition) -> Iterator[FieldFault]:
    for key, value in definition.labels.items():
        if not _LABEL.fullmatch(key) or not (value == "" or _LABEL.fullmatch(value)):
            yield FieldFault(place, "labels may contain only letters, digits, . _ / - (max 63 each)")
            return


def _sandbox(place: str, definition: TaskDefinition) -> Iterator[FieldFault]:
    if definition.network is NetworkAccess.NONE and definition.sandbox is SandboxKind.NONE:
        yield FieldFault(
            f"{place}.network", "network none needs a sandbox; remove `sandbox: none`, or `network: none`"
        )
    limits = definition.limits or NO_LIMITS
    ranges: tuple[tuple[str, float, float, float, str], ...] = (
        ("memory", limits.memory_bytes, MIN_MEMORY, MAX_MEMORY, "from 16M to 1024T"),
        ("cpus", limits.cpus, MIN_CPUS, MAX_CPUS, "from 0.01 to 1024"),
        ("pids", limits.pids, MIN_PIDS, MAX_PIDS, "from 8 to 4194304"),
    )
    for name, value, low, high, wanted in ranges:
        # The comparison is written so that a NaN is refused too.
        if value != 0 and not low <= value <= high:
            yield FieldFault(f"{place}.limits.{name}", f"limits.{name} must be {wanted}, got {value:g}")


def _approval(place: str, definition: TaskDefinition) -> Iterator[FieldFault]:
    if definition.approve is not ApprovalPoint.BEFORE_LANDING:
        return
    place, rest = f"{place}.approve", "; say `approve: after`, which asks once the work is accepted"
    if definition.workspace is WorkspaceKind.SHARED:
        yield FieldFault(
            place, f"approve before-landing needs a clone: work in a shared workspace lands nowhere{rest}"
        )
    elif definition.land is False:
        yield FieldFault(
            place, f"approve before-landing contradicts `land: false`, which lands nothing{rest}"
        )


def _rehearsal(place: str, rehearsal: Rehearsal) -> Iterator[FieldFault]:
    for role, scripts in (("builder", rehearsal.builder), ("validator", rehearsal.validator)):
        for number, script in enumerate(scripts):
            for index, call in enumerate(script.calls):
                if call.tool not in _TOOLS:
                    yield FieldFault(
                        f"{place}.{role}[{number}].calls[{index}]",
                        f'rehearsal calls unknown tool "{call.tool}"; known: {", ".join(_TOOLS)}',
                    )
