"""The results of sessions: values, descriptions of how a session ended, and the content of its task file."""

import json
import signal
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from amplifier_swarm.text import one_line
from swarm_worker.domain.model import (
    BuilderResult,
    Failure,
    FailureClass,
    KillReceipt,
    Outcome,
    OutcomeKind,
    SessionEnd,
    Task,
)
from swarm_worker.domain.people import Question
from swarm_worker.domain.reply_rules import names_blockers, unfinished_reason
from swarm_worker.domain.types import Role
from swarm_worker.execution.session_output import SessionLog
from swarm_worker.output.replies import read_builder_result
from swarm_worker.runners.executables import start_fault
from swarm_worker.runners.reader import Report
from swarm_worker.supervision.model import EndCause, Launch, RunEnd
from swarm_worker.workspace.git_locks import lock_hint

ERROR_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SessionResult:
    """The result of a session; `COMPLETED` means that it ended by itself and reported success."""

    kind: OutcomeKind
    log: SessionLog
    reply: str = ""
    failure: Failure | None = None
    receipt: KillReceipt | None = None
    # True if the output shows that a model was reached.
    reached_model: bool = False
    # The session has asked while it ran, and was ended to wait for the answer.
    question: Question | None = None


class SessionRun(NamedTuple):
    """A session's result and its end, which the server must get; the end is None if the session got no go."""

    result: SessionResult
    end: SessionEnd | None


def failure_of_end(role: Role, ended: RunEnd, *, timeout_s: float) -> Failure | None:
    """Returns the failure that the end alone proves; None if the output has to decide."""
    known = {
        EndCause.SPAWN: (FailureClass.BAD_CONFIG, ended.error),
        EndCause.TIMEOUT: (FailureClass.TIMEOUT, f"the {role} ran longer than {timeout_s:g} s"),
        EndCause.STALL: (FailureClass.STALLED, f"the {role} was {ended.error}"),
        EndCause.LIMIT: (FailureClass.RESOURCE_EXHAUSTED, f"the {role} reached its limit of {ended.error}"),
    }
    if ended.cause in known:
        return Failure(*known[ended.cause])
    if ended.cause is EndCause.LOST or ended.exit_code is None:
        return Failure(FailureClass.CRASHED, f"the {role} is gone: {ended.error}")
    if ended.exit_code < 0:
        return Failure(FailureClass.CRASHED, f"the {role} was ended by {_signal_name(-ended.exit_code)}")
    return None


def explain_spawn(ended: RunEnd, launch: Launch) -> RunEnd:
    """Adds the reason that the kernel does not name, such as a script's missing interpreter."""
    fault = start_fault(launch.argv[0], cwd=launch.cwd, path=launch.env.get("PATH", ""))
    return replace(ended, error=f"{ended.error}: {fault.text}; {fault.hint}") if fault else ended


def name_git_lock(report: Report, project_root: Path) -> Report:
    """Adds to a failure what to do if the session met a lock of git."""
    failure = report.failure
    hint = lock_hint(failure.error, project_root) if failure else ""
    return (
        replace(report, failure=replace(failure, error=f"{failure.error}; {hint}"))
        if failure and hint
        else report
    )


def closing_log_line(role: Role, ended: RunEnd, failure: Failure | None) -> str:
    """Returns the last line of a session's log."""
    code = ended.exit_code
    if ended.cause is EndCause.EXIT and code is not None:
        end = f"exited with code {code}"
    else:
        end = f"ended by {ended.cause}" + ("" if code is None else f", exit code {code}")
    reason = f": {failure.error}" if failure else ""
    return f"{role} session {end}{_ended_processes(ended)}{reason}"


def task_document(task: Task, builder_result: BuilderResult | None) -> str:
    """Returns the task as JSON; for a validator it includes the builder's report."""
    if builder_result is None:
        return task.document
    document = {**json.loads(task.document), "builder_result": asdict(builder_result)}
    return json.dumps(document, ensure_ascii=False)


def _ended_processes(ended: RunEnd) -> str:
    leftovers = ended.receipt.terminated + ended.receipt.killed
    found = ended.receipt.processes_found
    noun = "process" if found == 1 else "processes"
    return f"; {leftovers} of {found} {noun} had to be ended" if leftovers else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def outcome_of_builder(built: SessionResult, report: BuilderResult | None) -> Outcome:
    """Returns the outcome of a builder that failed, was stopped, or denies success in its own report.

    A builder that names blockers does not fail by chance, even if its program reports an error as well.
    """
    reason = unfinished_reason(report) if report else ""
    failure = built.failure
    if failure is None or (failure.kind is FailureClass.AGENT_ERROR and report and names_blockers(report)):
        error = f"{reason}; {failure.error}" if failure else reason
        failure = Failure(FailureClass.BUILDER_BLOCKED, one_line(error, ERROR_CHARS))
    if built.kind in (OutcomeKind.STOPPED, OutcomeKind.DECLINED):
        return Outcome(built.kind, kill_receipt=built.receipt)
    return Outcome(OutcomeKind.FAILED, failure=failure, kill_receipt=built.receipt)


def report_of(built: SessionResult) -> BuilderResult | None:
    """Returns what a builder says of its work; of one that was ended for its question, the question."""
    if built.question is not None:
        return BuilderResult(status="blocked", questions=(built.question,))
    return read_builder_result(built.reply) if built.reply else None
