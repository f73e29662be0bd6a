"""Words for how a session ended, and the task as its file has it. Pure."""

import json
import signal
from dataclasses import asdict

from swarm_worker.domain.model import Assignment, BuilderResult, Failure, FailureClass
from swarm_worker.domain.types import Role
from swarm_worker.supervision.launch import Cause, RunEnd


def failure_of_end(role: Role, ended: RunEnd, *, timeout_s: float) -> Failure | None:
    """What is wrong whatever the session printed."""
    if ended.cause is Cause.SPAWN:
        return Failure(FailureClass.BAD_CONFIG, ended.error)
    if ended.cause is Cause.TIMEOUT:
        return Failure(FailureClass.TIMEOUT, f"the {role} ran longer than {timeout_s:g} s")
    if ended.cause is Cause.STALL:
        return Failure(FailureClass.STALLED, f"the {role} was {ended.error}")
    if ended.cause is Cause.LOST or ended.exit_code is None:
        return Failure(FailureClass.CRASHED, f"the {role} is gone: {ended.error}")
    if ended.exit_code < 0:
        return Failure(FailureClass.CRASHED, f"the {role} was ended by {_signal(-ended.exit_code)}")
    return None


def epitaph(role: Role, ended: RunEnd, failure: Failure | None) -> str:
    """The last line of a session's log."""
    code = "" if ended.exit_code is None else f", exit code {ended.exit_code}"
    left = ended.receipt.terminated + ended.receipt.killed
    found = f"; {ended.receipt.processes_found} processes were ended" if left else ""
    why = f": {failure.error}" if failure else ""
    return f"{role} session ended by {ended.cause}{code}{found}{why}"


def task_document(assignment: Assignment, builder_result: BuilderResult | None) -> str:
    """The task as JSON, with, for a validator, what the builder said."""
    if builder_result is None:
        return assignment.task.document
    document = {**json.loads(assignment.task.document), "builder_result": asdict(builder_result)}
    return json.dumps(document, ensure_ascii=False)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
