"""The JSON schemas of all responses, by name; a test compares them with real responses, key by key."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.holds import HoldKind
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import (
    AttemptOutcome,
    DependencyFailurePolicy,
    DisconnectPolicy,
    FailureClass,
    OutcomeKind,
    Role,
    SessionRole,
    SwarmMode,
)
from swarmd.domain.sandbox import NetworkAccess, SandboxKind
from swarmd.domain.shared_budget import BudgetKind
from swarmd.domain.workspaces import ExpectedChanges, LandingStyle, RetryFrom, WorkspaceKind
from swarmd.engine.reports.overview import WorkerStatus
from swarmd.engine.reports.reasons import ReasonKind
from swarmd.store.events import EventKind

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}
LABELS: Final[Schema] = {"type": "object", "additionalProperties": TEXT}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _enum(kind: type[StrEnum]) -> Schema:
    return {"type": "string", "enum": [worker.value for worker in kind]}


def _object(*, optional: Mapping[str, Schema] | None = None, **properties: Schema) -> Schema:
    """Returns the schema of an object with exactly these keys; all but the optional keys are required."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


def _extended(name: str, **properties: Schema) -> Schema:
    """Returns the named schema with more keys."""
    base = SCHEMAS[name]
    return {
        **base,
        "required": [*base["required"], *properties],
        "properties": {**base["properties"], **properties},
    }


_NULL_TEXT: Final = _or_null(TEXT)
_NULL_TIME: Final = _or_null(TIME)
_SIGNS: Final[Mapping[str, Schema]] = {
    "new_at": _NULL_TIME,
    "times_out_at": _NULL_TIME,
    "stalls_at": _NULL_TIME,
}
_LIMITS: Final[Schema] = _object(memory=_or_null(INTEGER), cpus=_or_null(NUMBER), pids=_or_null(INTEGER))
_COUNTS: Final[Schema] = {
    "type": "object",
    "properties": {status.value: INTEGER for status in TaskStatus},
    "additionalProperties": False,
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": _object(error=_object(reason=TEXT, message=TEXT, optional={"faults": _list(
        _object(place=TEXT, message=TEXT))})),
    "Added": _object(
        added=INTEGER, changed=INTEGER, unchanged=INTEGER, dry_run=FLAG,
        warnings=_list(_object(place=TEXT, message=TEXT)),
    ),
    "Forgotten": _object(task_ids=TEXTS),
    "Usage": _object(input_tokens=INTEGER, output_tokens=INTEGER, cost=_NULL_TEXT),
    "KillReceipt": _object(
        containment=_NULL_TEXT, processes_found=INTEGER, terminated=INTEGER, killed=INTEGER,
        survivors=INTEGER, duration_s=NUMBER, last_output=_NULL_TEXT,
    ),
    "Task": _object(
        id=TEXT, name=TEXT, status=_enum(TaskStatus), phase=_NULL_TEXT, type=_NULL_TEXT, priority=INTEGER,
        attempt=INTEGER, max_retries=INTEGER, dependencies=TEXTS, blocked_by=TEXTS, worker=_NULL_TEXT,
        builder_session_id=_NULL_TEXT, validator_session_id=_NULL_TEXT, last_error=_NULL_TEXT,
        failure_class=_or_null(_enum(FailureClass)), cause=_NULL_TEXT, estimated_hours=_or_null(NUMBER),
        created_at=_NULL_TIME, started_at=_NULL_TIME, completed_at=_NULL_TIME, usage=_ref("Usage"),
        took_s=_or_null(NUMBER),
        kill_receipt=_or_null(_ref("KillReceipt")), rehearsed=FLAG, landed=_or_null(_ref("Landing")),
        kept_ref=_NULL_TEXT, starts_at=_enum(StartPoint), work_of=_or_null(INTEGER),
        hold=_or_null(_ref("Hold")), max_cost=_NULL_TEXT, max_tokens=_or_null(INTEGER), plan=_NULL_TEXT,
        progress=_or_null(_ref("Progress")),
    ),
    "Progress": _object(text=TEXT, percent=_or_null(INTEGER), reported_at=_NULL_TIME),
    "Hold": _object(
        hold_id=TEXT, kind=_enum(HoldKind), text=TEXT, options=TEXTS, attempt=_or_null(INTEGER),
        held_by=_NULL_TEXT, since=_NULL_TIME, ended_at=_NULL_TIME, ended_by=_NULL_TEXT, answer=_NULL_TEXT,
        point=_or_null(_enum(ApprovalPoint)), approved=FLAG,
        budget=_or_null(_object(kind=_enum(BudgetKind), name=_NULL_TEXT)),
    ),
    "Note": _object(text=TEXT, author=_NULL_TEXT, noted_at=_NULL_TIME),
    "Inbox": _object(
        held=INTEGER,
        entries=_list(_object(task=_ref("Task"), waiting=INTEGER, waiting_hours=_or_null(NUMBER))),
        budgets=_list(_ref("Budget")),
    ),
    "Budget": _object(
        kind=_enum(BudgetKind), name=_NULL_TEXT, max_cost=_NULL_TEXT, max_tokens=_or_null(INTEGER),
        spent_cost=TEXT, spent_tokens=INTEGER, reserved_cost=TEXT, reserved_tokens=INTEGER, reached=FLAG,
    ),
    "Budgets": _object(
        budgets=_list(_ref("Budget")), spent_cost=TEXT, spent_tokens=INTEGER, spent_today=TEXT,
    ),
    "Landing": _object(target=TEXT, commit=TEXT, onto=_NULL_TEXT, found=FLAG),
    "Change": _object(
        base=TEXT, head=TEXT, ref=_NULL_TEXT, file_count=INTEGER, ignored=TEXTS,
        files=_list(
            _object(path=TEXT, status=TEXT, added=_or_null(INTEGER), removed=_or_null(INTEGER))
        ),
    ),
    "Session": _object(
        session_id=TEXT, role=_enum(SessionRole), runner=_NULL_TEXT, started_at=_NULL_TIME,
        ended_at=_NULL_TIME, exit_code=_or_null(INTEGER), usage=_ref("Usage"),
        progress=_or_null(_ref("Progress")),
    ),
    "Finding": _object(finding_id=_NULL_TEXT, file=_NULL_TEXT, issue=TEXT, severity=_NULL_TEXT),
    "FindingAnswer": _object(
        finding_id=_NULL_TEXT, kind=_or_null({"enum": ["fixed", "disputed"]}), why=_NULL_TEXT
    ),
    "BuilderResult": _object(
        status=_NULL_TEXT, files_created=TEXTS, files_modified=TEXTS, tests_written=_or_null(FLAG),
        tests_passed=_or_null(FLAG), implementation_notes=_NULL_TEXT, blockers=TEXTS,
        answers=_list(_ref("FindingAnswer")),
        questions=_list(_object(text=TEXT, options=TEXTS)),
    ),
    "Check": _object(command=TEXT, exit_code=INTEGER, output_tail=_NULL_TEXT, duration_s=NUMBER),
    "Verdict": _object(
        verdict={"enum": ["PASS", "FAIL"]}, confidence=_or_null(NUMBER), test_quality_score=_or_null(NUMBER),
        recommendations=TEXTS, summary=_NULL_TEXT,
    ),
    "LateResult": _object(
        received_at=_NULL_TIME, outcome=_or_null(_enum(OutcomeKind)),
        failure_class=_or_null(_enum(FailureClass)), error=_NULL_TEXT,
    ),
    "Attempt": _object(
        number=INTEGER, outcome=_or_null(_enum(AttemptOutcome)), worker=_NULL_TEXT,
        failure_class=_or_null(_enum(FailureClass)), error=_NULL_TEXT, claimed_at=_NULL_TIME,
        started_at=_NULL_TIME, ended_at=_NULL_TIME, sessions=_list(_ref("Session")),
        builder_result=_or_null(_ref("BuilderResult")), checks=_list(_ref("Check")),
        verdict=_or_null(_ref("Verdict")), findings=_list(_ref("Finding")),
        kill_receipt=_or_null(_ref("KillReceipt")), late_results=_list(_ref("LateResult")),
        change=_or_null(_ref("Change")), landing=_or_null(_ref("Landing")), work_of=_or_null(INTEGER),
        starts_at=_enum(StartPoint),
    ),
    "Worker": _object(
        name=TEXT, status=_enum(WorkerStatus), slots=INTEGER, running=INTEGER, host=_NULL_TEXT,
        pid=_or_null(INTEGER), runner=_NULL_TEXT, last_seen=_NULL_TIME, stopped_by=_NULL_TIME,
        labels=LABELS, containment=_NULL_TEXT, version=_NULL_TEXT, task_ids=TEXTS,
        enforcement=_object(sandboxes=_list(_enum(SandboxKind)), no_network=FLAG, limits=_LIMITS),
    ),
    "Swarm": _object(
        mode=_enum(SwarmMode), cause=_NULL_TEXT, done=FLAG, total=INTEGER, counts=_COUNTS, workers=INTEGER,
        slots=INTEGER, estimated_hours=_or_null(NUMBER), completed_hours=_or_null(NUMBER), usage=_ref("Usage"),
        stop_generation=INTEGER, last_event_seq=INTEGER, version=TEXT, started_at=_NULL_TIME, epoch=INTEGER,
        swarm_id=_NULL_TEXT, expiry_paused=FLAG, rehearsed=INTEGER,
        paused_runners=_list(_object(
            runner=TEXT, cause=_NULL_TEXT, paused_at=_NULL_TIME, worker=_NULL_TEXT,
            role=_or_null(_enum(SessionRole)), failure_class=_or_null(_enum(FailureClass)),
            fingerprint=_NULL_TEXT, task_ids=TEXTS, half_open=FLAG, probe_task_id=_NULL_TEXT,
            failed_probes=INTEGER, cooldown_s=_or_null(NUMBER), freed_by=_NULL_TEXT,
        )),
        quiet_tasks=_list(_object(task=TEXT, worker=_NULL_TEXT, **_SIGNS)),
    ),
    "Event": _object(
        seq=INTEGER, happened_at=_NULL_TIME, kind=_enum(EventKind), task=_NULL_TEXT,
        status=_or_null(_enum(TaskStatus)), attempt=_or_null(INTEGER), worker=_NULL_TEXT,
        session_id=_NULL_TEXT, cause=_NULL_TEXT, actor=_NULL_TEXT, because=_NULL_TEXT,
    ),
    "LogEntry": _object(
        session_id=TEXT, role=_enum(SessionRole), attempt=INTEGER, cursor=INTEGER, number=INTEGER,
        logged_at=_NULL_TIME, text=TEXT,
        kind={"enum": ["output", "error_output", "tool_started", "tool_completed", "reply", "worker", "gap"]},
    ),
}  # fmt: skip

# Schemas that extend the schemas above.
SCHEMAS["TaskDetail"] = _extended(
    "Task", description=_NULL_TEXT, acceptance_criteria=TEXTS, files=TEXTS, design_docs=TEXTS, checks=TEXTS,
    on_dependency_failure=_enum(DependencyFailurePolicy), on_disconnect=_enum(DisconnectPolicy),
    validate=_or_null(FLAG), builder_agent=_NULL_TEXT, validator_agent=_NULL_TEXT,
    builder_timeout=_or_null(NUMBER), validator_timeout=_or_null(NUMBER), stall_timeout=_or_null(NUMBER),
    check_timeout=_or_null(NUMBER), labels=LABELS, exclusive=TEXTS, artifacts=TEXTS,
    workspace=_or_null(_enum(WorkspaceKind)), setup=TEXTS, keep=TEXTS, land=_or_null(FLAG),
    landing=_or_null(_enum(LandingStyle)), landing_checks=TEXTS, changes=_or_null(_enum(ExpectedChanges)),
    retry_from=_or_null(_enum(RetryFrom)), sandbox=_or_null(_enum(SandboxKind)),
    network=_or_null(_enum(NetworkAccess)), limits=_LIMITS, approve=_or_null(_enum(ApprovalPoint)),
    course=_list(INTEGER), attempts=_list(_ref("Attempt")),
    holds=_list(_ref("Hold")), notes=_list(_ref("Note")),
)  # fmt: skip
SCHEMAS["Diff"] = _extended("Change", attempt=INTEGER, patch=_NULL_TEXT)
SCHEMAS.update({
    "TaskPage": _object(tasks=_list(_ref("Task")), next=_NULL_TEXT, total=INTEGER),
    "Explanation": _object(
        task=_ref("Task"), reasons=_list(_object(kind=_enum(ReasonKind), message=TEXT, task_ids=TEXTS)),
        signs=_or_null(_object(**_SIGNS)),
    ),
    "LogPage": _object(entries=_list(_ref("LogEntry")), next=INTEGER, ended=FLAG),
    "EventPage": _object(events=_list(_ref("Event")), next=INTEGER),
    "Workers": _object(workers=_list(_ref("Worker"))),
    "Graph": {
        "anyOf": [
            _object(
                seq=INTEGER, edges=_list(TEXTS),
                nodes=_list(_object(id=TEXT, name=TEXT, phase=_NULL_TEXT, status=_enum(TaskStatus))),
            ),
            _object(
                seq=INTEGER, edges=_list(_list({"type": ["string", "integer", "null"]})),
                phases=_list(_object(phase=_NULL_TEXT, counts=_COUNTS)),
            ),
        ]
    },
    "Timeline": _object(
        sessions=_list(_object(
            task=TEXT, attempt=INTEGER, role=_enum(SessionRole), worker=TEXT, started_at=TIME,
            ended_at=_NULL_TIME, status=_or_null(_enum(AttemptOutcome)),
        ))
    ),
    "Throughput": _object(
        bucket_s=NUMBER,
        buckets=_list(_object(
            at=TIME, completed=INTEGER, failed=INTEGER,
            tasks_completed=INTEGER, tasks_failed=INTEGER, builder_median_s=_or_null(NUMBER),
            validator_median_s=_or_null(NUMBER),
        )),
    ),
    "Costs": _object(
        groups=_list(_object(name=_NULL_TEXT, sessions=INTEGER, unpriced=INTEGER, usage=_ref("Usage")))
    ),
    "Bulk": _object(
        matched=INTEGER, done=INTEGER, refused=_list(_object(id=TEXT, reason=TEXT, message=TEXT))
    ),
    "Stopped": _extended(
        "Swarm", killing=TEXTS, killed=TEXTS,
        receipts=_list(_object(
            worker=TEXT, reach={"enum": ["ordered", "stopped", "unreachable", "silent", "late"]},
            task_ids=TEXTS, stopped_at=_NULL_TIME, stopped_by=_NULL_TIME, processes_found=_or_null(INTEGER),
            terminated=_or_null(INTEGER), killed=_or_null(INTEGER), survivors=_or_null(INTEGER),
            tasks=_list(_object(id=TEXT, status=_enum(TaskStatus), kill_receipt=_or_null(_ref("KillReceipt")))),
        )),
    ),
    "Resumed": _extended("Swarm", requeued=TEXTS),
    "Retried": _extended("Task", put_back=TEXTS),
    "Me": _object(name=TEXT, role=_enum(Role), csrf=TEXT, version=TEXT, swarm_id=TEXT),
    "LoggedOut": _object(logged_out=FLAG),
    "Health": _object(ok=FLAG),
    "Ready": _object(ready=FLAG, why=TEXT),
    "Metrics": TEXT,
    "Patch": TEXT,
    "Artifacts": _object(artifacts=_list(_object(
        attempt=INTEGER, name=TEXT, size=INTEGER, sha256=TEXT, stored_at=TIME, lost=FLAG,
    ))),
    "File": {"type": "string", "format": "binary"},
})  # fmt: skip
