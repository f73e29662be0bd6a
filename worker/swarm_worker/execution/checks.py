"""Runs a task's checks after its builder: shell commands in the project root, judged by their exit codes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.environment import task_variables
from swarm_worker.domain.model import Assignment, CheckResult, Finding, KillReceipt
from swarm_worker.domain.names import check_id
from swarm_worker.execution.context import SessionContext
from swarm_worker.execution.session_output import SessionLog
from swarm_worker.output.lines import Tail
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.launch import Cause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop

TAIL_CHARS: Final = 8_000
# One finding must leave room for others in the same prompt.
FINDING_TAIL_CHARS: Final = 2_000
COMMAND_CHARS: Final = 500
# The exit code of a shell for an unknown program, and the code for a program that SIGKILL ended.
CANNOT_START: Final = 127
KILLED: Final = -9


@dataclass(frozen=True, slots=True)
class ChecksResult:
    """The results of an attempt's checks; `stopped` is set if an order ended them early."""

    results: tuple[CheckResult, ...]
    stopped: KillReceipt | None = None


class _OutputTail:
    """A sink that keeps the end of a check's output."""

    stall_factor = 1.0

    def __init__(self) -> None:
        self._tail = Tail(4 * TAIL_CHARS)

    @property
    def text(self) -> str:
        return self._tail.last_chars(TAIL_CHARS)

    def stdout(self, chunk: bytes) -> None:
        self._tail.append(chunk)

    stderr = progress = stdout


async def run_checks(
    context: SessionContext, assignment: Assignment, *, timeout_s: float, stop: Stop, log: SessionLog
) -> ChecksResult:
    """Runs every check, even after a failed one: the next builder should see all faults."""
    results: list[CheckResult] = []
    for number, command in enumerate(assignment.task.checks, 1):
        started, output = time.monotonic(), _OutputTail()
        ended = await run_guarded(
            _check_launch(context, assignment, command, number),
            limits=RunLimits(timeout_s, 0, context.grace_s),
            fence=context.fence,
            stop=stop,
            sink=output,
        )
        if stop.order is not None or ended.cause in (Cause.ORDER, Cause.FENCE):
            return ChecksResult(tuple(results), replace(ended.receipt, last_output=output.text[-4_000:]))
        result = _check_result(command, ended, output.text, time.monotonic() - started, timeout_s)
        log.note(f"check exited with {result.exit_code} after {result.duration_s:.1f} s: {command}")
        results.append(result)
    return ChecksResult(tuple(results))


def failed_checks(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Returns the results whose exit code is not 0."""
    return [result for result in results if result.exit_code != 0]


def findings_of_checks(failed: Sequence[CheckResult]) -> tuple[Finding, ...]:
    """Returns a critical finding for each failed check, for the next builder."""
    return tuple(Finding("", "", _issue(result), "critical") for result in failed)


def summary_of_checks(failed: Sequence[CheckResult], *, total: int) -> str:
    """Returns a line with the number of failed checks and the first of them."""
    first = failed[0]
    return f"{len(failed)} of {total} checks failed: {one_line(first.command, 200)!r} exited with {first.exit_code}"


def _check_launch(context: SessionContext, assignment: Assignment, command: str, number: int) -> Launch:
    return Launch(
        argv=("/bin/sh", "-c", command),
        cwd=context.project_root,
        env={**context.env, **task_variables(assignment, project_root=context.project_root)},
        lock=context.folder.guard_lock(check_id(assignment, number)),
        umask=context.umask,
        hidden=context.hidden,
    )


def _check_result(
    command: str, ended: RunEnd, output: str, duration_s: float, timeout_s: float
) -> CheckResult:
    if ended.cause is Cause.EXIT and ended.exit_code is not None:
        return CheckResult(command, ended.exit_code, output, duration_s)
    if ended.cause is Cause.SPAWN:
        return CheckResult(command, CANNOT_START, ended.error, duration_s)
    reason = f"ran longer than {timeout_s:g} s" if ended.cause is Cause.TIMEOUT else ended.error
    return CheckResult(command, ended.exit_code or KILLED, f"{output}\n[{reason}]", duration_s)


def _issue(result: CheckResult) -> str:
    command = one_line(result.command, COMMAND_CHARS)
    tail = result.output_tail[-FINDING_TAIL_CHARS:].strip()
    return f"the check `{command}` exited with {result.exit_code}" + (f":\n{tail}" if tail else "")
