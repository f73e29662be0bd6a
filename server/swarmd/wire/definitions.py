"""Conversion of task definitions."""

from collections.abc import Sequence
from dataclasses import replace

from amplifier_swarm.v1 import operator_service_pb2 as operator_pb
from amplifier_swarm.v1 import task_pb2
from swarmd.domain import budget
from swarmd.domain.definition import PlannedTask, TaskDefinition
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import TaskId
from swarmd.domain.rehearsal import Rehearsal, RehearsalCall, RehearsalScript
from swarmd.wire import enforcement, enums, values


def read_planned(message: operator_pb.PlannedTask) -> PlannedTask:
    """Converts a task of a plan from its message."""
    status = enums.TASK_STATUS.optional(message.status, "status") or TaskStatus.NOT_STARTED
    return PlannedTask(read(message.definition), status)


def planned(status: TaskStatus, definition: TaskDefinition) -> operator_pb.PlannedTask:
    """Converts a task of an export to its message."""
    return operator_pb.PlannedTask(definition=write(definition), status=enums.TASK_STATUS.to_wire(status))


def read(message: task_pb2.TaskDefinition) -> TaskDefinition:
    """Converts a definition from its message."""
    return replace(
        _read_basics(message),
        workspace=enums.WORKSPACE.optional(message.workspace, "workspace"),
        setup=tuple(message.setup),
        keep=tuple(message.keep),
        exclusive=tuple(message.exclusive),
        artifacts=tuple(message.artifacts),
        land=message.land if message.HasField("land") else None,
        landing=enums.LANDING_STYLE.optional(message.landing, "landing"),
        landing_checks=tuple(message.landing_checks),
        changes=enums.CHANGES.optional(message.changes, "changes"),
        retry_from=enums.RETRY_FROM.optional(message.retry_from, "retry_from"),
        sandbox=enums.SANDBOX.optional(message.sandbox, "sandbox"),
        network=enums.NETWORK.optional(message.network, "network"),
        limits=enforcement.read_limits(message.limits) or None,
        approve=enums.APPROVAL_POINT.optional(message.approve, "approve"),
        max_cost_nano=budget.read_dollars(message.max_cost, "max_cost") if message.max_cost else None,
        max_tokens=message.max_tokens if message.HasField("max_tokens") else None,
        ask_timeout_s=values.seconds(message.ask_timeout) if message.HasField("ask_timeout") else None,
        follow_ups=enums.FOLLOW_UPS.optional(message.follow_ups, "follow_ups"),
        discovered_from=message.discovered_from,
    )


def _read_basics(message: task_pb2.TaskDefinition) -> TaskDefinition:
    """Returns a definition without the fields about the workspace, the landing and the sandbox."""
    has = message.HasField
    return TaskDefinition(
        task_id=TaskId(message.task_id),
        name=message.name,
        phase=message.phase,
        type=message.type,
        priority=message.priority if has("priority") else None,
        estimated_hours=message.estimated_hours if has("estimated_hours") else None,
        description=message.description,
        acceptance_criteria=tuple(message.acceptance_criteria),
        files=tuple(message.files),
        design_docs=tuple(message.design_docs),
        dependencies=tuple(TaskId(dependency) for dependency in message.dependencies),
        max_retries=message.max_retries if has("max_retries") else None,
        on_dependency_failure=enums.POLICY.optional(message.on_dependency_failure, "on_dependency_failure"),
        validate=message.validate if has("validate") else None,
        builder_agent=message.builder_agent,
        validator_agent=message.validator_agent,
        builder_timeout_s=values.seconds(message.builder_timeout) if has("builder_timeout") else None,
        validator_timeout_s=values.seconds(message.validator_timeout) if has("validator_timeout") else None,
        stall_timeout_s=values.seconds(message.stall_timeout) if has("stall_timeout") else None,
        check_timeout_s=values.seconds(message.check_timeout) if has("check_timeout") else None,
        labels=dict(sorted(message.labels.items())),
        checks=tuple(message.checks),
        rehearsal=_read_rehearsal(message.rehearsal) if has("rehearsal") else None,
        on_disconnect=enums.DISCONNECT_POLICY.optional(message.on_disconnect, "on_disconnect"),
    )


def write(definition: TaskDefinition) -> task_pb2.TaskDefinition:
    """Converts a definition to its message."""
    rehearsal = definition.rehearsal
    message = task_pb2.TaskDefinition(
        task_id=definition.task_id,
        name=definition.name,
        phase=definition.phase,
        type=definition.type,
        priority=definition.priority,
        estimated_hours=definition.estimated_hours,
        description=definition.description,
        acceptance_criteria=definition.acceptance_criteria,
        files=definition.files,
        design_docs=definition.design_docs,
        dependencies=definition.dependencies,
        max_retries=definition.max_retries,
        on_dependency_failure=enums.POLICY.to_wire(definition.on_dependency_failure),
        validate=definition.validate,
        builder_agent=definition.builder_agent,
        validator_agent=definition.validator_agent,
        builder_timeout=values.duration(definition.builder_timeout_s),
        validator_timeout=values.duration(definition.validator_timeout_s),
        stall_timeout=values.duration(definition.stall_timeout_s),
        check_timeout=values.duration(definition.check_timeout_s),
        labels=dict(definition.labels),
        checks=definition.checks,
        rehearsal=None if rehearsal is None else _rehearsal(rehearsal),
        on_disconnect=enums.DISCONNECT_POLICY.to_wire(definition.on_disconnect),
    )
    message.MergeFrom(_place(definition))
    return message


def _place(definition: TaskDefinition) -> task_pb2.TaskDefinition:
    """Returns a message with the fields about the workspace, the landing and the sandbox."""
    return task_pb2.TaskDefinition(
        workspace=enums.WORKSPACE.to_wire(definition.workspace),
        setup=definition.setup,
        keep=definition.keep,
        exclusive=definition.exclusive,
        artifacts=definition.artifacts,
        land=definition.land,
        landing=enums.LANDING_STYLE.to_wire(definition.landing),
        landing_checks=definition.landing_checks,
        changes=enums.CHANGES.to_wire(definition.changes),
        retry_from=enums.RETRY_FROM.to_wire(definition.retry_from),
        sandbox=enums.SANDBOX.to_wire(definition.sandbox),
        network=enums.NETWORK.to_wire(definition.network),
        limits=enforcement.limits(definition.limits) if definition.limits else None,
        approve=enums.APPROVAL_POINT.to_wire(definition.approve),
        max_cost="" if definition.max_cost_nano is None else budget.dollars(definition.max_cost_nano),
        max_tokens=definition.max_tokens,
        ask_timeout=values.duration(definition.ask_timeout_s),
        follow_ups=enums.FOLLOW_UPS.to_wire(definition.follow_ups),
        discovered_from=definition.discovered_from,
    )


def _read_rehearsal(message: task_pb2.Rehearsal) -> Rehearsal:
    return Rehearsal(_read_scripts(message.builder), _read_scripts(message.validator))


def _read_scripts(messages: Sequence[task_pb2.RehearsalScript]) -> tuple[RehearsalScript, ...]:
    return tuple(
        RehearsalScript(
            tuple(RehearsalCall(call.tool, dict(sorted(call.arguments.items()))) for call in message.calls),
            message.reply,
        )
        for message in messages
    )


def _rehearsal(rehearsal: Rehearsal) -> task_pb2.Rehearsal:
    return task_pb2.Rehearsal(builder=_scripts(rehearsal.builder), validator=_scripts(rehearsal.validator))


def _scripts(scripts: Sequence[RehearsalScript]) -> list[task_pb2.RehearsalScript]:
    return [
        task_pb2.RehearsalScript(
            calls=[
                task_pb2.RehearsalCall(tool=call.tool, arguments=dict(call.arguments))
                for call in script.calls
            ],
            reply=script.reply,
        )
        for script in scripts
    ]
