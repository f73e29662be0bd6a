"""Runs a task's checks after its builder: shell commands in the project root, judged by their exit codes."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.environment import task_variables
from swarm_worker.domain.model import Assignment, CheckResult, Finding, KillReceipt
from swarm_worker.domain.names import check_id
from swarm_worker.domain.ports import Notes
from swarm_worker.execution.check_start import SHELL, SYNTAX_ERROR, CheckPlace, grammar_fault, start_fault
from swarm_worker.execution.context import SessionContext
from swarm_worker.output.lines import Tail
from swarm_worker.storage.private_folder import remove_private_in_thread
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
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
    """The results of an attempt's checks; `stopped` is set if an order ended them early.

    `start_faults` has a line for each check that can't start, which no builder can correct.
    """

    results: tuple[CheckResult, ...]
    stopped: KillReceipt | None = None
    start_faults: tuple[str, ...] = ()


@dataclass(slots=True)
class _CheckRun:
    """The checks of one attempt while they run."""

    context: SessionContext
    assignment: Assignment
    timeout_s: float
    stop: Stop
    place: CheckPlace
    results: list[CheckResult] = field(default_factory=list)
    start_faults: list[str] = field(default_factory=list)


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
    context: SessionContext,
    assignment: Assignment,
    *,
    timeout_s: float,
    stop: Stop,
    log: Notes,
    built_since_s: float,
) -> ChecksResult:
    """Runs every check, even after a failed one: the next builder should see all faults.

    `built_since_s` is when the builder started, in seconds since the epoch.
    """
    path = context.env.get("PATH", os.defpath)
    place = CheckPlace(context.project_root, assignment.task.files, path, built_since_s)
    run = _CheckRun(context, assignment, timeout_s, stop, place)
    for number in range(1, len(assignment.task.checks) + 1):
        stopped = await _run_check(run, number, log)
        if stopped is not None:
            return ChecksResult(tuple(run.results), stopped)
    return ChecksResult(tuple(run.results), start_faults=tuple(run.start_faults))


async def _run_check(run: _CheckRun, number: int, log: Notes) -> KillReceipt | None:
    """Runs one check and records its result; returns a receipt if an order ended it."""
    started, output = time.monotonic(), _OutputTail()
    command = run.assignment.task.checks[number - 1]
    ended = await _run_shell(run, number, output)
    if run.stop.order is not None or ended.cause in (EndCause.ORDER, EndCause.FENCE):
        return replace(ended.receipt, last_output=output.text[-4_000:])
    result = _check_result(command, ended, output.text, time.monotonic() - started, run.timeout_s)
    run.results.append(result)
    log.note(f"check exited with {result.exit_code} after {result.duration_s:.1f} s: {command}")
    if fault := await _start_fault_of(run, number, ended, result):
        shown, total = one_line(command, COMMAND_CHARS), len(run.assignment.task.checks)
        run.start_faults.append(f"check {number} of {total} can't start: `{shown}`: {fault}")
    return None


async def _start_fault_of(run: _CheckRun, number: int, ended: RunEnd, result: CheckResult) -> str:
    """Returns why the check could not start; empty if it did start."""
    if ended.cause is EndCause.SPAWN:
        return ended.error
    if ended.cause is not EndCause.EXIT:
        return ""
    if result.exit_code == SYNTAX_ERROR:
        # Many programs exit with this code too; the shell itself says whether it understands the command.
        parsed = _OutputTail()
        syntax = await _run_shell(run, number, parsed, "-n")
        return one_line(parsed.text, 300) if syntax.exit_code == SYNTAX_ERROR else grammar_fault(result)
    return start_fault(result, run.place)


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


async def _run_shell(run: _CheckRun, number: int, output: _OutputTail, *options: str) -> RunEnd:
    context, assignment = run.context, run.assignment
    launch = Launch(
        argv=(SHELL, *options, "-c", assignment.task.checks[number - 1]),
        cwd=context.project_root,
        env={**context.env, **task_variables(assignment, project_root=context.project_root)},
        lock=context.folder.guard_lock(check_id(assignment, number)),
        umask=context.umask,
        hidden=context.hidden,
    )
    limits = RunLimits(run.timeout_s, 0, context.grace_s)
    folder = context.folder.session_file(launch.lock.stem, "private")
    try:
        confined = context.confinement.confine(launch, folder)
        return await run_guarded(confined, limits=limits, fence=context.fence, stop=run.stop, sink=output)
    except OSError as error:
        return RunEnd(EndCause.SPAWN, error=f"can't make its sandbox: {error}")
    finally:
        await remove_private_in_thread(folder)


def _check_result(
    command: str, ended: RunEnd, output: str, duration_s: float, timeout_s: float
) -> CheckResult:
    if ended.cause is EndCause.EXIT and ended.exit_code is not None:
        return CheckResult(command, ended.exit_code, output, duration_s)
    if ended.cause is EndCause.SPAWN:
        return CheckResult(command, CANNOT_START, ended.error, duration_s)
    reason = f"ran longer than {timeout_s:g} s" if ended.cause is EndCause.TIMEOUT else ended.error
    if ended.cause is EndCause.LIMIT:
        reason = f"reached its limit of {ended.error}"
    return CheckResult(command, ended.exit_code or KILLED, f"{output}\n[{reason}]", duration_s)


def _issue(result: CheckResult) -> str:
    command = one_line(result.command, COMMAND_CHARS)
    tail = result.output_tail[-FINDING_TAIL_CHARS:].strip()
    return f"the check `{command}` exited with {result.exit_code}" + (f":\n{tail}" if tail else "")
