"""Line numbers for faults that the server reports at places such as `tasks[3].dependencies[0]`."""

import re
from collections.abc import Sequence
from typing import Final

from amplifier_swarm.plan import nodes
from amplifier_swarm.plan.faults import Fault
from amplifier_swarm.plan.nodes import Listing, Mapping, MappingEntry
from amplifier_swarm.plan.read import Plan, task_label

# The place of a fault: the number of the task in the order sent, then a field of the message.
_PLACE: Final = re.compile(
    r"tasks\[(?P<task>\d+)\](?:\.definition)?(?:\.(?P<field>\w+))?(?P<rest>.*)", re.DOTALL
)
_CAPACITY: Final = re.compile(r"concurrency\.(?P<name>.*)", re.DOTALL)
_INDEX: Final = re.compile(r"\[(\d+)\]")


def locate(plan: Plan, place: str, problem: str) -> Fault:
    """Returns the fault with its line, its task, and the field as the file names it."""
    if place.startswith("concurrency"):
        return Fault(_capacity_line(plan, place), "", place, problem)
    if place.startswith("budget"):
        entry = plan.top.entries.get("budget")
        return Fault(entry.line if entry else 0, "", place, problem.removeprefix(f"{place} "))
    match = _PLACE.fullmatch(place)
    if match is None or int(match["task"]) >= len(plan.tasks):
        return Fault(0, "", place, problem)
    index = int(match["task"])
    node = plan.entries[index]
    task = task_label(node, index)
    if match["field"] is None:
        return Fault(node.line, task, "", problem)
    name = "id" if match["field"] == "task_id" else match["field"]
    entry = node.entries.get(name) or plan.defaults.entries.get(name)
    line = node.line if entry is None else _entry_line(entry, match["rest"])
    field = name + match["rest"]
    # The line already names the field.
    return Fault(line, task, field, problem.removeprefix(f"{field} "))


def _capacity_line(plan: Plan, place: str) -> int:
    match = _CAPACITY.fullmatch(place)
    node = nodes.value_at(plan.top, ("concurrency",))
    entry = node.entries.get(match["name"]) if match and isinstance(node, Mapping) else None
    entry = entry or plan.top.entries.get("concurrency")
    return entry.line if entry else 0


def _entry_line(entry: MappingEntry, rest: str) -> int:
    index = _INDEX.match(rest)
    if index is None or not isinstance(entry.value, Listing):
        return entry.line
    items: Sequence[object] = entry.value.items
    place = int(index[1])
    return entry.value.items[place].line if place < len(items) else entry.line
