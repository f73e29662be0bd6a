"""Conversion of the views that people read to messages."""

from collections.abc import Sequence

from amplifier_swarm import __version__
from amplifier_swarm.v1 import event_pb2, operator_service_pb2, session_pb2, swarm_pb2, task_pb2
from swarmd.domain import budget
from swarmd.domain.breaker import freed_by
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import PausedRunner
from swarmd.engine.live.program_signs import ProgramSigns, QuietTask
from swarmd.engine.reports.overview import StoppingWorker, SwarmView, WorkerView
from swarmd.engine.reports.reasons import Reason
from swarmd.engine.reports.session_logs import LogItem
from swarmd.store.events import Event
from swarmd.store.reads.views import AttemptView, LateResultView, Progress, SessionView, TaskView
from swarmd.store.sessions import SessionRef
from swarmd.store.tokens import TokenRecord
from swarmd.wire import changes, enforcement, enums, holds, outcomes, values


def task(view: TaskView) -> task_pb2.Task:
    """Converts a task as lists show it."""
    blocked = view.status in (TaskStatus.BLOCKED, TaskStatus.SKIPPED)
    return task_pb2.Task(
        task_id=view.task_id,
        name=view.name,
        status=enums.TASK_STATUS.to_wire(view.status),
        phase=view.phase,
        type=view.type,
        priority=view.priority,
        attempt=view.attempt,
        max_retries=view.max_retries,
        dependencies=[task_id for task_id, _ in view.dependencies],
        blocked_by=[
            task_id for task_id, status in view.dependencies if blocked and status != TaskStatus.COMPLETED
        ],
        worker=view.worker,
        builder_session_id=view.builder_session_id,
        validator_session_id=view.validator_session_id,
        last_error=view.last_error,
        failure_class=enums.FAILURE_CLASS.to_wire(view.failure_class),
        cause=view.cause,
        estimated_hours=view.estimated_hours,
        created_at=values.timestamp(view.created_us),
        started_at=values.timestamp(view.started_us),
        completed_at=values.timestamp(view.completed_us),
        usage=values.usage(view.usage),
        kill_receipt=None if view.kill_receipt is None else outcomes.read_receipt(view.kill_receipt),
        rehearsed=view.rehearsed,
        landed=None if view.landed is None else changes.parse_landing(view.landed),
        kept_ref=view.kept_ref,
        starts_at=enums.START_POINT.to_wire(view.starts_at),
        work_of=view.work_of,
        hold=None if view.hold is None else holds.hold(view.hold),
        took=values.duration(None if view.took_us is None else view.took_us / 1_000_000),
        max_cost="" if view.caps.cost_nano is None else budget.dollars(view.caps.cost_nano),
        max_tokens=view.caps.tokens,
        plan=view.plan,
        progress=_progress(view.progress),
    )


def attempt(view: AttemptView) -> task_pb2.Attempt:
    """Converts an attempt with its sessions and the worker's report."""
    report = outcomes.read_report(view.report)
    message = task_pb2.Attempt(
        number=view.number,
        worker=view.worker,
        outcome=enums.ATTEMPT_OUTCOME.to_wire(view.outcome),
        failure_class=enums.FAILURE_CLASS.to_wire(view.failure_class),
        error=view.error,
        claimed_at=values.timestamp(view.claimed_us),
        started_at=values.timestamp(view.started_us),
        ended_at=values.timestamp(view.ended_us),
        sessions=[_session(session) for session in view.sessions],
        checks=report.checks,
        late_results=[_late_result(result) for result in view.late_results],
        work_of=view.work_of,
        starts_at=enums.START_POINT.to_wire(view.starts_at),
    )
    if report.HasField("builder_result"):
        message.builder_result.CopyFrom(report.builder_result)
    if report.HasField("verdict"):
        message.verdict.CopyFrom(report.verdict)
    if report.HasField("landing"):
        message.landing.CopyFrom(report.landing)
    if view.change is not None:
        message.change.CopyFrom(changes.write_change(view.change))
    if report.HasField("kill_receipt"):
        message.kill_receipt.CopyFrom(report.kill_receipt)
    return message


def swarm(view: SwarmView) -> swarm_pb2.Swarm:
    """Converts the status of the swarm."""
    totals = view.totals
    return swarm_pb2.Swarm(
        mode=enums.MODE.to_wire(view.state.mode),
        stop_generation=view.state.stop_generation,
        cause=view.state.cause,
        counts=[
            swarm_pb2.StatusCount(status=enums.TASK_STATUS.to_wire(status), count=totals.counts[status])
            for status in TaskStatus
            if status in totals.counts
        ],
        done=view.done,
        workers=view.workers,
        slots=view.slots,
        estimated_hours=totals.estimated_hours,
        completed_hours=totals.completed_hours,
        usage=values.usage(totals.usage),
        last_event_seq=view.last_seq,
        version=__version__,
        started_at=values.timestamp(view.started_us),
        epoch=view.state.epoch,
        swarm_id=view.state.swarm_id,
        expiry_paused=view.expiry_paused,
        rehearsed=totals.rehearsed,
        paused_runners=[_paused(found) for found in view.paused_runners],
        quiet_tasks=[_quiet(task) for task in view.quiet],
    )


def _paused(pause: PausedRunner) -> swarm_pb2.PausedRunner:
    message = swarm_pb2.PausedRunner(
        runner=pause.runner,
        cause=f"at worker {pause.worker}: {pause.cause}" if pause.worker else pause.cause,
        paused_at=values.timestamp(pause.paused_us),
        worker=pause.worker,
        breaker=swarm_pb2.Breaker(
            role=enums.SESSION_ROLE.to_wire(pause.role),
            failure_class=enums.FAILURE_CLASS.to_wire(pause.failure_class),
            fingerprint=pause.fingerprint,
            task_ids=pause.task_ids,
            half_open=pause.half_open,
            probe_task_id=pause.probe_task_id,
            failed_probes=pause.failed_probes,
            freed_by=freed_by(pause),
        ),
    )
    if pause.cooldown_s:
        message.breaker.cooldown.FromNanoseconds(int(pause.cooldown_s * 1e9))
    return message


def signs(found: ProgramSigns) -> task_pb2.ProgramSigns:
    """Converts the signs of a program that runs."""
    return task_pb2.ProgramSigns(
        new_at=values.timestamp(found.new_us),
        times_out_at=values.timestamp(found.times_out_us),
        stalls_at=values.timestamp(found.stalls_us),
    )


def _quiet(task: QuietTask) -> swarm_pb2.QuietTask:
    return swarm_pb2.QuietTask(task_id=task.task_id, worker=task.worker, signs=signs(task.signs))


def worker(view: WorkerView) -> swarm_pb2.Worker:
    """Converts a worker."""
    identity = view.identity
    return swarm_pb2.Worker(
        name=identity.name,
        status=swarm_pb2.WorkerStatus.Value(f"WORKER_STATUS_{view.status.name}"),
        slots=identity.slots,
        running=len(view.task_ids),
        host=identity.host,
        pid=identity.pid,
        runner=identity.runner,
        last_seen_at=values.timestamp(view.heard_us),
        labels=dict(identity.labels),
        containment=identity.containment,
        version=identity.version,
        task_ids=view.task_ids,
        stopped_by=values.timestamp(view.stopped_by_us),
        enforcement=enforcement.enforcement(identity.enforcement),
    )


def stopping(worker: StoppingWorker) -> operator_service_pb2.StoppingWorker:
    """Converts a worker that an emergency stop waits for."""
    return operator_service_pb2.StoppingWorker(
        worker=worker.name,
        reachable=worker.reachable,
        task_ids=worker.task_ids,
        stopped_by=values.timestamp(worker.stopped_by_us),
    )


def event(value: Event) -> event_pb2.Event:
    """Converts an event."""
    return event_pb2.Event(
        seq=value.seq,
        happened_at=values.timestamp(value.happened_us),
        kind=enums.EVENT_KIND.to_wire(value.kind),
        task_id=value.task_id,
        status=enums.TASK_STATUS.to_wire(TaskStatus(value.status) if value.status else None),
        attempt=value.attempt,
        worker=value.worker,
        session_id=value.session_id,
        cause=value.cause,
        actor=value.actor,
        because=value.because,
    )


def reasons(found: Sequence[Reason]) -> list[operator_service_pb2.Reason]:
    """Converts the reasons for a task's status."""
    return [
        operator_service_pb2.Reason(
            kind=enums.REASON_KIND.to_wire(reason.kind), message=reason.message, task_ids=reason.task_ids
        )
        for reason in found
    ]


def log(session: SessionRef, shown: Sequence[LogItem]) -> operator_service_pb2.TailLogResponse:
    """Converts log entries of one session."""
    return operator_service_pb2.TailLogResponse(
        session_id=session.session_id,
        role=enums.SESSION_ROLE.to_wire(session.role),
        attempt=session.attempt,
        entries=[_log_entry(found) for found in shown],
    )


def _log_entry(shown: LogItem) -> session_pb2.LogEntry:
    entry = shown.entry
    return session_pb2.LogEntry(
        number=entry.number,
        logged_at=values.timestamp(entry.logged_us),
        kind=session_pb2.LogKind.Value(entry.kind),
        text=entry.text,
        cursor=shown.cursor,
    )


def token(record: TokenRecord) -> operator_service_pb2.Token:
    """Converts a token, without its secret."""
    return operator_service_pb2.Token(
        token_id=record.token_id,
        role=enums.ROLE.to_wire(record.role),
        name=record.name,
        created_at=values.timestamp(record.created_us),
        revoked_at=values.timestamp(record.revoked_us),
        kind=enums.TOKEN_KIND.to_wire(record.kind),
        expires_at=values.timestamp(record.expires_us),
        labels=record.labels,
        max_uses=record.max_uses,
        uses=record.uses,
        used_at=values.timestamp(record.used_us),
        worker=record.worker,
        joined_by=record.joined_by,
    )


def _session(view: SessionView) -> session_pb2.Session:
    return session_pb2.Session(
        session_id=view.session_id,
        role=enums.SESSION_ROLE.to_wire(view.role),
        runner=view.runner,
        started_at=values.timestamp(view.started_us),
        ended_at=values.timestamp(view.ended_us),
        exit_code=view.exit_code,
        usage=values.usage(view.usage),
        progress=_progress(view.progress),
    )


def _progress(said: Progress | None) -> session_pb2.Progress | None:
    if said is None:
        return None
    reported_at = values.timestamp(said.reported_us)
    return session_pb2.Progress(text=said.text, percent=said.percent, reported_at=reported_at)


def _late_result(view: LateResultView) -> task_pb2.LateResult:
    return task_pb2.LateResult(
        received_at=values.timestamp(view.received_us),
        outcome=outcomes.to_message(view.kind, view.failure_class, view.error, view.report),
    )
