"""A task file as tasks to send, with every fault that can be found without the server, by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from amplifier_swarm.plan import nodes
from amplifier_swarm.plan.faults import Fault, PlanRefused, quoted
from amplifier_swarm.plan.fields import FIELDS, FIELDS_OF_TOP, budget_of, clear, concurrency_of
from amplifier_swarm.plan.foreign import foreign_format
from amplifier_swarm.plan.json_nodes import compose_json, is_json_like
from amplifier_swarm.plan.node_builder import Composed, UnsupportedYaml
from amplifier_swarm.plan.nodes import Line, Listing, Mapping, Node, Scalar
from amplifier_swarm.plan.scalars import Kind, described, kind_of
from amplifier_swarm.plan.source import Source, read_source
from amplifier_swarm.plan.suggest import similar_word
from amplifier_swarm.plan.values import ValueField, id_of
from amplifier_swarm.plan.yaml_nodes import InvalidYaml, compose
from amplifier_swarm.v1.budget_pb2 import PlanBudget
from amplifier_swarm.v1.operator_service_pb2 import PlannedTask

# Keys that an export writes and nobody reads.
WRITTEN: Final = ("version", "exported_at", "summary")
TOP: Final = ("tasks", "defaults", "concurrency", "budget", *FIELDS_OF_TOP, *WRITTEN)
# Half of the limit of a message: the server adds data to a task before it sends the task to a worker.
MAX_TASK_BYTES: Final = 8 * 1024 * 1024
NO_TASKS: Final = 'top level must be a mapping with "tasks"'


@dataclass(frozen=True, slots=True)
class Plan:
    """The tasks of a file, and their YAML, which locates the server's faults."""

    file: str
    tasks: Sequence[PlannedTask]
    warnings: Sequence[Fault]
    # The YAML of each task, in the order of `tasks`.
    entries: Sequence[Mapping]
    # The fields that tasks share: those under `defaults`, and those at the top.
    defaults: Mapping
    # How many tasks may share each exclusive name.
    concurrency: dict[str, int]
    top: Mapping
    # What all tasks may cost together; None if the file does not say.
    budget: PlanBudget | None = None


def read_plan(place: str, *, strict: bool = False) -> Plan:
    """Reads a file, or stdin for `-`.

    Raises:
        PlanRefused: the file has faults; the error lists all of them.
    """
    return plan_of(read_source(place), strict=strict)


def plan_of(source: Source, *, strict: bool = False) -> Plan:
    """Parses a text. With `strict`, warnings are faults."""
    try:
        return _plan_of(source, strict=strict)
    except PlanRefused as refused:
        if (known := foreign_format(source)) is None:
            raise
        # The faults of a plan that is not one would only lead astray.
        raise PlanRefused(source.name, [Fault(0, "", "", known)]) from refused


def _plan_of(source: Source, *, strict: bool) -> Plan:
    return plan_of_document(source.name, composed_of(source), strict=strict)


def plan_of_document(file: str, composed: Composed, *, strict: bool = False) -> Plan:
    """Reads a document whose syntax is read already.

    Raises:
        PlanRefused: it is not a plan, or has faults.
    """
    top = _top_mapping(file, composed.root)
    reading = _PlanReader(top, strict=strict)
    for item in composed.unsupported:
        reading.add_unsupported(item)
    tasks = reading.read()
    if reading.faults:
        raise PlanRefused(file, reading.faults)
    return Plan(
        file,
        tasks,
        reading.warnings,
        reading.entries,
        reading.defaults,
        reading.concurrency,
        top,
        reading.budget,
    )


def composed_of(source: Source) -> Composed:
    """Reads the document as JSON if it is JSON, else as YAML."""
    if not is_json_like(source.text):
        return compose(source)
    try:
        return compose_json(source)
    except PlanRefused as refused:
        # Flow collections of YAML may have comments, trailing commas and texts without quotes.
        try:
            return compose(source)
        except InvalidYaml:
            raise refused from None


def _top_mapping(file: str, root: Node | None) -> Mapping:
    if isinstance(root, Mapping):
        return root
    got = "an empty file" if root is None or kind_of(root) is Kind.NULL else described(root)
    line = 1 if root is None else root.line
    raise PlanRefused(file, [Fault(line, "", "", f"{NO_TASKS}, got {got}")])


def task_label(node: Node, index: int) -> str:
    """Returns the label of a task in messages: its id as written in the file, else its number."""
    found = nodes.value_at(node, ("id",))
    if isinstance(found, Scalar) and found.text.strip() and kind_of(found) is not Kind.NULL:
        return f"task {quoted(found.text)}"
    return f"task #{index + 1}"


class _PlanReader:
    """A reader that makes one pass over one file."""

    def __init__(self, top: Mapping, *, strict: bool) -> None:
        self.faults: list[Fault] = []
        self.entries: list[Mapping] = []
        self.defaults = Mapping(Line(0))
        self.concurrency: dict[str, int] = {}
        self.budget: PlanBudget | None = None
        self._top = top
        self._strict = strict
        self._lines_of_ids: dict[str, Line] = {}
        self._unsupported: set[tuple[str, str]] = set()
        # The places of each unknown key: its line and its task.
        self._ignored: dict[tuple[str, str], list[tuple[Line, str]]] = {}

    def add_unsupported(self, item: UnsupportedYaml) -> None:
        """Adds unsupported YAML as a fault of its task."""
        match item.path:
            case ["tasks", int(index), *rest]:
                node = nodes.value_at(self._top, ("tasks", index)) or self._top
                task, steps = task_label(node, index), rest
            case ["defaults", *rest]:
                task, steps = "defaults", rest
            case _:
                task, steps = "", list(item.path)
        fault = Fault(item.line, task, _joined(steps), item.problem)
        self.faults.append(fault)
        self._unsupported.add((fault.task, fault.field))

    @property
    def warnings(self) -> list[Fault]:
        """The fields that are ignored, each once, with the number of its occurrences."""
        return [
            Fault(*places[0], "", f"unknown {what} {quoted(key)} is ignored{_repetition(len(places))}")
            for (what, key), places in self._ignored.items()
        ]

    def read(self) -> list[PlannedTask]:
        """Returns all tasks, with the defaults filled in."""
        self._check_top()
        base = PlannedTask()
        node = nodes.value_at(self._top, ("defaults",))
        if node is not None and kind_of(node) is not Kind.NULL:
            self._read_defaults(node, base)
        self._read_shared(base)
        listing = nodes.value_at(self._top, ("tasks",))
        if listing is None:
            return []
        if not isinstance(listing, Listing):
            self._fault(listing.line, "", "tasks", f"must be a list of tasks, got {described(listing)}")
            return []
        read = (self._read_task(item, i, base) for i, item in enumerate(listing.items))
        return [task for task in read if task is not None]

    def _check_top(self) -> None:
        if "tasks" not in self._top.entries and not any(
            similar_word(key, ("tasks",)) for key in self._top.entries
        ):
            self._fault(self._top.line, "", "", NO_TASKS)
        for key, entry in self._top.entries.items():
            if key not in TOP:
                self._unknown(entry.line, "", key, TOP)

    def _read_defaults(self, node: Node, base: PlannedTask) -> None:
        if not isinstance(node, Mapping):
            self._fault(node.line, "", "defaults", f"must be a mapping of fields, got {described(node)}")
            return
        self.defaults = node
        if "id" in node.entries:
            self._fault(node.entries["id"].line, "defaults", "id", "an id can't be shared; remove it")
        self._read_fields(node, "defaults", base)

    def _read_shared(self, base: PlannedTask) -> None:
        """Reads the fields of the top, which count as defaults, the numbers of `concurrency`, and `budget`."""
        for key in FIELDS_OF_TOP:
            if (entry := self._top.entries.get(key)) is None:
                continue
            if (other := self.defaults.entries.get(key)) is not None:
                problem = f"is also in defaults, at line {other.line}; keep one of them"
                self._fault(entry.line, "", key, problem)
                continue
            self.defaults = Mapping(self.defaults.line, {**self.defaults.entries, key: entry})
            self._read_fields(Mapping(entry.line, {key: entry}), "", base)
        if (entry := self._top.entries.get("concurrency")) is not None:
            self.concurrency = concurrency_of(self._field("concurrency", entry.value, ""))
        if (entry := self._top.entries.get("budget")) is not None:
            self.budget = budget_of(self._field("budget", entry.value, ""))

    def _read_task(self, node: Node, index: int, base: PlannedTask) -> PlannedTask | None:
        name = task_label(node, index)
        if not isinstance(node, Mapping):
            self._fault(node.line, name, "", f"must be a mapping of fields, got {described(node)}")
            return None
        task = PlannedTask()
        task.CopyFrom(base)
        self._read_id(node, name, task)
        self._read_fields(node, name, task)
        if task.ByteSize() > MAX_TASK_BYTES:
            self._fault(
                node.line, name, "", f"larger than {MAX_TASK_BYTES // 1024**2} MiB; move text to files"
            )
        self.entries.append(node)
        return task

    def _read_id(self, node: Mapping, name: str, task: PlannedTask) -> None:
        entry = node.entries.get("id")
        if entry is None or kind_of(entry.value) is Kind.NULL or _is_empty(entry.value):
            line = node.line if entry is None else entry.line
            self._fault(line, name, "", "id is required; give the task one of its own")
            return
        found = id_of(self._field("id", entry.value, name))
        if found is None:
            return
        task.definition.task_id = found
        first = self._lines_of_ids.get(found)
        if first is not None:
            problem = f"duplicate task id {quoted(found)} (first at line {first}); give it another"
            self._fault(entry.line, name, "id", problem)
        self._lines_of_ids.setdefault(found, entry.line)

    def _read_fields(self, node: Mapping, name: str, task: PlannedTask) -> None:
        for key, entry in node.entries.items():
            if key == "id":
                continue
            setter = FIELDS.get(key)
            if setter is None:
                self._unknown(entry.line, name, key, tuple(FIELDS))
            elif kind_of(entry.value) is not Kind.NULL:
                clear(task, key)
                setter(self._field(key, entry.value, name), task)

    def _field(self, key: str, node: Node, name: str) -> ValueField:
        return ValueField(key, node, lambda line, field, problem: self._fault(line, name, field, problem))

    def _unknown(self, line: Line, name: str, key: str, known: Sequence[str]) -> None:
        what = "field" if name else "key"
        like = similar_word(key, known)
        if like is not None:
            self._fault(line, name, "", f'unknown {what} {quoted(key)}; did you mean "{like}"?')
        elif self._strict:
            self._fault(line, name, "", f"unknown {what} {quoted(key)}; remove it, or leave --strict out")
        else:
            self._ignored.setdefault((what, key), []).append((line, name))

    def _fault(self, line: Line, task: str, field: str, problem: str) -> None:
        # A value that results from unsupported YAML needs no second fault.
        if (task, field) not in self._unsupported:
            self.faults.append(Fault(line, task, field, problem))


def _repetition(count: int) -> str:
    return f", here and in {count - 1} more places" if count > 1 else ""


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.text.strip()


def _joined(steps: Sequence[str | int]) -> str:
    def parts() -> Iterator[str]:
        for i, step in enumerate(steps):
            if isinstance(step, int):
                yield f"[{step}]"
            else:
                yield f".{step}" if i else step

    return "".join(parts())
