"""The fields of a single task as a plan of one task."""

from collections.abc import Sequence
from dataclasses import replace

from amplifier_swarm.plan.faults import Fault, PlanRefused
from amplifier_swarm.plan.node_builder import Composed, UnsupportedYaml
from amplifier_swarm.plan.nodes import Listing, Mapping, MappingEntry
from amplifier_swarm.plan.read import Plan, composed_of, plan_of_document
from amplifier_swarm.plan.scalars import Kind, described, kind_of
from amplifier_swarm.plan.source import Source


def plan_of_task(source: Source) -> Plan:
    """Parses the fields of one task, as they stand below `tasks`; warnings are faults.

    Raises:
        PlanRefused: the text has faults.
    """
    composed = composed_of(source)
    if not isinstance(composed.root, Mapping):
        empty = composed.root is None or kind_of(composed.root) is Kind.NULL
        got = "an empty text" if empty or composed.root is None else described(composed.root)
        raise PlanRefused(source.name, [Fault(0, "", "", f"must be the fields of one task, got {got}")])
    unsupported = [replace(item, path=("tasks", 0, *item.path)) for item in composed.unsupported]
    return plan_of_fields(source.name, composed.root, unsupported)


def plan_of_fields(file: str, fields: Mapping, unsupported: Sequence[UnsupportedYaml] = ()) -> Plan:
    """Reads the fields of one task; raises as `plan_of_task` does."""
    tasks = MappingEntry(fields.line, Listing(fields.line, [fields]))
    top = Mapping(fields.line, {"tasks": tasks})
    plan = plan_of_document(file, Composed(top, list(unsupported)))
    if plan.warnings:
        hint = "; `swarmctl schema` lists the fields"
        raise PlanRefused(
            file, [replace(w, problem=w.problem.replace(" is ignored", hint)) for w in plan.warnings]
        )
    return plan
