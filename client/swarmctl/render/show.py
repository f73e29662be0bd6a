"""Blocks for one task: its attempts, the reasons for its state; and the link to the dashboard."""

from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.documents import Document, words
from amplifier_swarm.plan.limits import limits_document
from amplifier_swarm.text import printable
from amplifier_swarm.v1.hold_pb2 import ApprovalPoint
from amplifier_swarm.v1.operator_service_pb2 import (
    CreateLoginCodeResponse,
    ExplainTaskResponse,
    GetTaskResponse,
)
from amplifier_swarm.v1.session_pb2 import KillReceipt, SessionRole, Verdict
from amplifier_swarm.v1.task_pb2 import (
    Attempt,
    AttemptOutcome,
    ExpectedChanges,
    FailureClass,
    FollowUps,
    LandingStyle,
    NetworkAccess,
    OutcomeKind,
    RetryFrom,
    SandboxKind,
    StartPoint,
    Task,
    TaskDefinition,
    WorkspaceKind,
)
from amplifier_swarm.vocabulary import priority_word
from swarmctl import text_format
from swarmctl.render.blocks import Block, Blocks, Cell, Column, Cut, Heading, Prose, Table, cell, facts, prose
from swarmctl.render.changes import change_blocks
from swarmctl.render.findings import course_text, findings_blocks
from swarmctl.render.inbox import said_blocks
from swarmctl.render.tasks import attempt_text, caps_text, changed_blocks, progress_text, status_cell

SESSIONS = (
    Column("SESSION", flexible=True, good=36, cut=Cut.MIDDLE),
    Column("ROLE"),
    Column("RUNNER", rank=1),
    Column("TOOK", right=True),
    Column("EXIT", right=True),
    Column("USED", flexible=True, least=16, good=32),
)


def show_blocks(answer: GetTaskResponse) -> Blocks:
    """Returns a task for people, the present state first."""
    return [
        _task_facts(answer.task, answer.definition, answer.attempts),
        *said_blocks(answer.task.task_id, answer.holds, answer.notes),
        *_definition_blocks(answer.definition),
        *(
            block
            for attempt in reversed(answer.attempts)
            for block in _attempt_blocks(attempt, answer.attempts)
        ),
    ]


def _task_facts(task: Task, definition: TaskDefinition, attempts: Sequence[Attempt]) -> Table:
    hours = f"{task.estimated_hours:g} h" if task.HasField("estimated_hours") else None
    labels = ", ".join(f"{name}={text}" for name, text in sorted(definition.labels.items()))
    return facts(
        ("id", cell(task.task_id, "bold")),
        ("name", cell(task.name)),
        ("status", status_cell(task.status)),
        ("rehearsed", cell("no model did this work" if task.rehearsed else None, "bold yellow")),
        ("why", cell(task.cause)),
        ("waits for", cell(", ".join(task.blocked_by))),
        ("phase", cell(task.phase)),
        ("type", cell(task.type)),
        ("priority", cell(priority_word(task.priority))),
        ("attempt", cell(attempt_text(task) if task.attempt else "none yet")),
        ("worker", cell(task.worker)),
        ("estimated", cell(hours)),
        ("depends on", cell(", ".join(task.dependencies))),
        ("files", cell(", ".join(definition.files))),
        ("design docs", cell(", ".join(definition.design_docs))),
        ("labels", cell(labels)),
        ("exclusive", cell(", ".join(definition.exclusive))),
        ("artifacts", cell(", ".join(definition.artifacts))),
        ("workspace", cell(text_format.word(WorkspaceKind, definition.workspace))),
        ("kept folders", cell(", ".join(definition.keep))),
        ("landing", cell(_landing_text(definition))),
        ("approval", cell(text_format.word(ApprovalPoint, definition.approve))),
        ("progress", cell(progress_text(task))),
        ("follow-ups", cell(text_format.word(FollowUps, definition.follow_ups))),
        ("discovered from", cell(definition.discovered_from)),
        ("work", cell(_work_text(task))),
        ("sandbox", cell(_sandbox_text(definition))),
        ("created", cell(text_format.moment(task, "created_at"))),
        ("started", cell(text_format.moment(task, "started_at"))),
        ("ended", cell(text_format.moment(task, "completed_at"))),
        ("used", cell(text_format.tokens(task.usage))),
        ("caps", cell(caps_text(task))),
        ("findings", cell(course_text(attempts))),
        ("last error", cell(task.last_error, "red")),
    )


def _work_text(task: Task) -> str:
    """Returns where the accepted work is, if it has not landed."""
    if task.kept_ref:
        return f"kept as {task.kept_ref}; `swarmctl land {task.task_id}` lands it"
    return f"of attempt {task.work_of}, which is to {_verb(task.starts_at)}" if task.work_of else ""


def _verb(start: "StartPoint.ValueType") -> str:
    """Returns what becomes of the work with which an attempt starts."""
    if start == StartPoint.START_POINT_VALIDATOR:
        return "be judged"
    return "be checked" if start == StartPoint.START_POINT_CHECKS else "land"


def _landing_text(definition: TaskDefinition) -> str:
    """Returns what the author asks for in words of the task file; empty if it is nothing."""
    asked = (
        ("land", "false" if definition.HasField("land") and not definition.land else None),
        ("landing", text_format.word(LandingStyle, definition.landing)),
        ("changes", text_format.word(ExpectedChanges, definition.changes)),
        ("retry_from", text_format.word(RetryFrom, definition.retry_from)),
    )
    return ", ".join(f"{name}: {word}" for name, word in asked if word)


def _sandbox_text(definition: TaskDefinition) -> str:
    """Returns the sandbox and the limits that the author asks for; empty if it is nothing."""
    asked = [
        text_format.word(SandboxKind, definition.sandbox),
        *(f"{name}: {value}" for name, value in limits_document(definition.limits)),
    ]
    if definition.network == NetworkAccess.NETWORK_ACCESS_NONE:
        asked.insert(1, "network: none")
    return ", ".join(part for part in asked if part)


def _definition_blocks(definition: TaskDefinition) -> Iterator[Block]:
    if definition.description:
        yield Heading("Description")
        yield prose(definition.description)
    for title, entries in (
        ("Acceptance criteria", definition.acceptance_criteria),
        ("Setup of the workspace", definition.setup),
        ("Checks", definition.checks),
        ("Checks before the landing", definition.landing_checks),
    ):
        if entries:
            yield Heading(title)
            yield prose("\n".join(f"- {entry}" for entry in entries))


_DOES: Final = {StartPoint.START_POINT_VALIDATOR: "judges", StartPoint.START_POINT_CHECKS: "checks"}


def _work_of(attempt: Attempt) -> str | None:
    return f"the work of attempt {attempt.work_of}" if attempt.work_of else None


def _attempt_blocks(attempt: Attempt, attempts: Sequence[Attempt]) -> Iterator[Block]:
    took = text_format.span(text_format.between(attempt, "started_at", "ended_at"))
    yield Heading(f"Attempt {attempt.number}")
    yield facts(
        (_DOES.get(attempt.starts_at, "lands"), cell(_work_of(attempt))),
        ("outcome", _outcome_cell(attempt)),
        ("worker", cell(attempt.worker)),
        ("claimed", cell(text_format.moment(attempt, "claimed_at"))),
        ("took", cell(took)),
    )
    if attempt.error:
        yield prose(attempt.error, "red")
    if attempt.sessions:
        yield _session_table(attempt)
    if attempt.HasField("builder_result"):
        yield from _builder_blocks(attempt)
    for check in attempt.checks:
        verb = "passed" if check.exit_code == 0 else f"exited with {check.exit_code}"
        yield facts(("check", cell(f"{check.command}: {verb}", "" if check.exit_code == 0 else "red")))
        if check.exit_code != 0:
            yield prose(check.output_tail, "dim")
    if attempt.HasField("verdict"):
        yield from _verdict_blocks(attempt.verdict)
        yield from findings_blocks(attempt, attempts)
    yield from change_blocks(attempt)
    if attempt.HasField("kill_receipt"):
        yield from receipt_blocks(attempt.kill_receipt)
    if attempt.late_results:
        yield facts(("late results", cell(_late_text(attempt))))


def _late_text(attempt: Attempt) -> str:
    kept = f"{len(attempt.late_results)}, kept; -o json shows them"
    if any(late.outcome.kind == OutcomeKind.OUTCOME_KIND_COMPLETED for late in attempt.late_results):
        return f"{kept}; `swarmctl accept TASK --attempt {attempt.number}` lets it count"
    return kept


def _outcome_cell(attempt: Attempt) -> Cell:
    outcome = text_format.word(AttemptOutcome, attempt.outcome) or "running"
    failure = text_format.word(FailureClass, attempt.failure_class)
    return cell(f"{outcome} ({failure})" if failure else outcome)


def _session_table(attempt: Attempt) -> Table:
    rows = [
        (
            cell(session.session_id),
            cell(text_format.word(SessionRole, session.role)),
            cell(session.runner),
            cell(text_format.span(text_format.between(session, "started_at", "ended_at"))),
            cell(session.exit_code if session.HasField("exit_code") else None),
            cell(text_format.tokens(session.usage)),
        )
        for session in attempt.sessions
    ]
    return Table(SESSIONS, rows)


def _builder_blocks(attempt: Attempt) -> Iterator[Block]:
    result = attempt.builder_result
    yield facts(
        ("builder says", cell(result.status)),
        ("created", cell(", ".join(result.files_created))),
        ("modified", cell(", ".join(result.files_modified))),
        ("blockers", cell(", ".join(result.blockers))),
    )
    if result.implementation_notes:
        yield prose(result.implementation_notes, "dim")


def _verdict_blocks(verdict: Verdict) -> Iterator[Block]:
    passed = verdict.passed
    yield facts(("verdict", cell("PASS" if passed else "FAIL", "green" if passed else "red")))
    if verdict.summary:
        yield prose(verdict.summary)


def proof_fact(receipt: KillReceipt) -> tuple[str, Cell]:
    """Returns the time of the proof that nothing is left; with survivors, that there is no proof."""
    took = text_format.span(text_format.seconds(receipt.duration))
    if receipt.survivors:
        return "not empty", cell(f"after {took}: end the survivors on the worker's host", "red")
    return "proven empty", cell(f"after {took}")


def receipt_blocks(receipt: KillReceipt) -> Iterator[Block]:
    """Yields the receipt of a kill, and the last output of the session."""
    yield facts(
        ("processes", cell(f"{receipt.processes_found} found")),
        ("SIGTERM", cell(receipt.terminated)),
        ("SIGKILL", cell(receipt.killed)),
        ("survivors", cell(receipt.survivors, "red" if receipt.survivors else "")),
        proof_fact(receipt),
        ("containment", cell(receipt.containment)),
    )
    if receipt.last_output:
        yield Prose("last output:", "dim")
        yield prose(receipt.last_output, "dim")


def explain_blocks(answer: ExplainTaskResponse, signs: Sequence[str] = ()) -> Blocks:
    """Returns the task, the reasons for its state, and the signs of the session that runs."""
    lines = [*(text_format.localized(reason.message) for reason in answer.reasons), *signs] or [
        "nothing keeps it: it can start at once"
    ]
    return [*changed_blocks([answer.task]), prose("\n".join(f"- {line}" for line in lines))]


def link_document(answer: CreateLoginCodeResponse) -> Document:
    """Returns the link, and the seconds for which it is valid."""
    return {"url": answer.url, "valid_for_s": words.seconds(answer.valid_for)}


def link_blocks(answer: CreateLoginCodeResponse) -> Blocks:
    """Returns the link alone, so that it can be passed on to a browser."""
    return [Prose(printable(answer.url), indent=0)]
