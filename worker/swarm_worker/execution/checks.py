"""Runs a task's checks after its builder: shell commands in the project root, whose exit codes are the proof."""

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
# A finding has to leave room for more of them in one prompt.
FINDING_TAIL_CHARS: Final = 2_000
COMMAND_CHARS: Final = 500
# What a shell says of a command that it can't start, and of one that a signal ended.
CANNOT_START: Final = 127
KILLED: Final = -9


@dataclass(frozen=True, slots=True)
class ChecksResult:
    """What the checks gave; `stopped` is set if they were ended before their end."""

    results: tuple[CheckResult, ...]
    stopped: KillReceipt | None = None


class _Recorder:
    """Keeps the end of what a check prints."""

    stall_factor = 1.0

    def __init__(self) -> None:
        self._tail = Tail(4 * TAIL_CHARS)

    @property
    def text(self) -> str:
        return self._tail.end(TAIL_CHARS)

    def stdout(self, chunk: bytes) -> None:
        self._tail.feed(chunk)

    stderr = feed = stdout


async def run_checks(
    bench: SessionContext, assignment: Assignment, *, timeout_s: float, stop: Stop, log: SessionLog
) -> ChecksResult:
    """Runs every check, also after a red one: the next builder should see all that is wrong."""
    results: list[CheckResult] = []
    for number, command in enumerate(assignment.task.checks, 1):
        begun, recorder = time.monotonic(), _Recorder()
        ended = await run_guarded(
            _launch(bench, assignment, command, number),
            limits=RunLimits(timeout_s, 0, bench.grace_s),
            fence=bench.fence,
            stop=stop,
            sink=recorder,
        )
        if stop.order is not None or ended.cause in (Cause.ORDER, Cause.FENCE):
            return ChecksResult(tuple(results), replace(ended.receipt, last_output=recorder.text[-4_000:]))
        result = _result(command, ended, recorder.text, time.monotonic() - begun, timeout_s)
        log.note(f"check exited with {result.exit_code} after {result.duration_s:.1f} s: {command}")
        results.append(result)
    return ChecksResult(tuple(results))


def red(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Those that did not exit 0."""
    return [result for result in results if result.exit_code != 0]


def findings_of(failed: Sequence[CheckResult]) -> tuple[Finding, ...]:
    """What the next builder is told about red checks."""
    return tuple(Finding("", "", _issue(result), "critical") for result in failed)


def summary_of(failed: Sequence[CheckResult], *, total: int) -> str:
    """The same in a line."""
    first = failed[0]
    return f"{len(failed)} of {total} checks failed: {one_line(first.command, 200)!r} exited with {first.exit_code}"


def _launch(bench: SessionContext, assignment: Assignment, command: str, number: int) -> Launch:
    return Launch(
        argv=("/bin/sh", "-c", command),
        cwd=bench.project_root,
        env={**bench.env, **task_variables(assignment, project_root=bench.project_root)},
        lock=bench.folder.guard_lock(check_id(assignment, number)),
    )


def _result(command: str, ended: RunEnd, output: str, duration_s: float, timeout_s: float) -> CheckResult:
    if ended.cause is Cause.EXIT and ended.exit_code is not None:
        return CheckResult(command, ended.exit_code, output, duration_s)
    if ended.cause is Cause.SPAWN:
        return CheckResult(command, CANNOT_START, ended.error, duration_s)
    why = f"ran longer than {timeout_s:g} s" if ended.cause is Cause.TIMEOUT else ended.error
    return CheckResult(command, ended.exit_code or KILLED, f"{output}\n[{why}]", duration_s)


def _issue(result: CheckResult) -> str:
    command = one_line(result.command, COMMAND_CHARS)
    tail = result.output_tail[-FINDING_TAIL_CHARS:].strip()
    return f"the check `{command}` exited with {result.exit_code}" + (f":\n{tail}" if tail else "")
