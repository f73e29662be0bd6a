"""Conversion of claims to the worker's values."""

import json
from typing import Final, Literal

from amplifier_swarm import light_imports
from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.vocabulary import SandboxName
from swarm_worker.domain import changes, model, people, types, workspaces
from swarm_worker.domain.sandbox import NetworkAccess, ResourceLimits
from swarm_worker.rpc.orders import seconds

_Limit = Literal["builder_timeout", "validator_timeout", "stall_timeout", "check_timeout"]
_WORKSPACES: Final = {
    task_pb2.WorkspaceKind.Value(f"WORKSPACE_KIND_{kind.name}"): kind for kind in workspaces.WorkspaceKind
}
_LANDINGS: Final = {
    task_pb2.LandingStyle.Value(f"LANDING_STYLE_{style.name}"): style for style in workspaces.LandingStyle
}
_STARTS: Final = {
    task_pb2.RetryFrom.Value(f"RETRY_FROM_{start.name}"): start for start in workspaces.RetryFrom
}
_POINTS: Final = {
    task_pb2.StartPoint.Value(f"START_POINT_{start.name}"): start for start in workspaces.AttemptStart
}
_SANDBOXES: Final = {task_pb2.SandboxKind.Value(f"SANDBOX_KIND_{kind.name}"): kind for kind in SandboxName}
_NETWORKS: Final = {
    task_pb2.NetworkAccess.Value(f"NETWORK_ACCESS_{access.name}"): access for access in NetworkAccess
}
# A class that only a newer server knows is none.
_FAILURES: Final = {
    task_pb2.FailureClass.Value(f"FAILURE_CLASS_{kind.name}"): kind for kind in model.FailureClass
}


def assignment(claim: wire.Claim) -> model.Assignment:
    """Returns the assignment of a claim."""
    return model.Assignment(
        task=_task(claim.task),
        lease_id=types.LeaseId(claim.lease_id),
        attempt=claim.attempt,
        epoch=claim.epoch,
        findings=tuple(model.Finding(f.finding_id, f.file, f.issue, f.severity) for f in claim.findings),
        last_error=claim.last_error,
        dependency_results=tuple(map(_dependency_result, claim.dependency_results)),
        traceparent=claim.traceparent,
        base=claim.base,
        first_base=claim.first_base,
        previous_head=claim.previous_head,
        previous_failure=_FAILURES.get(claim.previous_failure),
        work=_work(claim.work) if claim.starts_at in _POINTS else None,
        work_result=_builder_result_of(claim.work.builder_result)
        if claim.work.HasField("builder_result")
        else None,
        starts_at=_POINTS.get(claim.starts_at),
        creation=claim.creation,
        answers=tuple(people.PersonAnswer(a.question, a.text, a.author) for a in claim.answers),
        notes=tuple(people.PersonNote(note.text, note.author) for note in claim.notes),
    )


def _work(work: wire.KeptWork) -> changes.EarlierWork:
    return changes.EarlierWork(work.attempt, work.base, work.head, work.ref, work.session_id)


def _dependency_result(result: wire.DependencyResult) -> model.DependencyResult:
    built = _builder_result_of(result.builder_result) if result.HasField("builder_result") else None
    return model.DependencyResult(result.task_id, result.name, built, result.verdict_summary)


def _builder_result_of(result: session_pb2.BuilderResult) -> model.BuilderResult:
    return model.BuilderResult(
        status=result.status,
        files_created=tuple(result.files_created),
        files_modified=tuple(result.files_modified),
        tests_written=result.tests_written if result.HasField("tests_written") else None,
        tests_passed=result.tests_passed if result.HasField("tests_passed") else None,
        implementation_notes=result.implementation_notes,
        blockers=tuple(result.blockers),
    )


def _task(task: task_pb2.TaskDefinition) -> model.Task:
    document = light_imports.message_to_dict(task)
    return model.Task(
        id=task.task_id,
        document=json.dumps(document, ensure_ascii=False),
        name=task.name or task.task_id,
        phase=task.phase,
        type=task.type,
        description=task.description,
        acceptance_criteria=tuple(task.acceptance_criteria),
        files=tuple(task.files),
        design_docs=tuple(task.design_docs),
        checks=tuple(task.checks),
        validate=task.validate if task.HasField("validate") else None,
        builder_agent=task.builder_agent,
        validator_agent=task.validator_agent,
        builder_timeout_s=_limit(task, "builder_timeout"),
        validator_timeout_s=_limit(task, "validator_timeout"),
        stall_timeout_s=_limit(task, "stall_timeout"),
        check_timeout_s=_limit(task, "check_timeout"),
        keep_on_disconnect=task.on_disconnect == task_pb2.DISCONNECT_POLICY_KEEP,
        workspace=_WORKSPACES.get(task.workspace),
        setup=tuple(task.setup),
        keep=tuple(task.keep),
        artifacts=tuple(task.artifacts),
        land=task.land if task.HasField("land") else True,
        landing=_LANDINGS.get(task.landing, workspaces.LandingStyle.SQUASH),
        landing_checks=tuple(task.landing_checks),
        must_change=task.changes != task_pb2.EXPECTED_CHANGES_NONE,
        retry_from=_STARTS.get(task.retry_from),
        sandbox=_SANDBOXES.get(task.sandbox),
        network=_NETWORKS.get(task.network, NetworkAccess.FULL),
        limits=ResourceLimits(task.limits.memory_bytes, task.limits.cpus, task.limits.threads),
    )


def _limit(task: task_pb2.TaskDefinition, name: _Limit) -> float | None:
    return seconds(getattr(task, name)) if task.HasField(name) else None
