"""The probe of `--check --ask`: a trial session of each role, by the runner and under a guard, without a server."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from swarm_worker.domain.environment import session_variables, task_variables
from swarm_worker.domain.model import Assignment, Failure, SessionEnd, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.ports import GoAnswer
from swarm_worker.domain.types import LeaseId, Role, SessionId
from swarm_worker.execution.session_output import SessionLog, SessionOutput
from swarm_worker.execution.session_result import explain_spawn, failure_of_end
from swarm_worker.execution.trial import TRIAL_S, trial_plan
from swarm_worker.preflight.guarded import run_once_guarded
from swarm_worker.preflight.probe import Probe
from swarm_worker.runners.base import Runner, SessionPlan
from swarm_worker.runners.reader import OutputReader
from swarm_worker.storage.files import write_private
from swarm_worker.supervision.guarded_program import GRACE_S
from swarm_worker.supervision.model import EndCause, Launch, RunEnd
from swarm_worker.supervision.stop_signal import Stop

NAME: Final = "model"
_HINT: Final = "correct what it says, and check again"


def ask_model(
    runner: Runner, *, roles: Sequence[Role], project_root: Path, env: Mapping[str, str]
) -> Iterator[Probe]:
    """Asks for one word in a session of each role; a role passes if its session ends as a builder's must."""
    for role in roles:
        with TemporaryDirectory(prefix="swarm-check-") as folder:
            yield _ask(runner, role, project_root=project_root, folder=Path(folder), env=env)


def _ask(runner: Runner, role: Role, *, project_root: Path, folder: Path, env: Mapping[str, str]) -> Probe:
    plan = trial_plan(
        SessionId(f"check-trial-{role}"),
        role=role,
        project_root=project_root,
        prompt_file=folder / "prompt.md",
    )
    reader = runner.reader(plan)
    start = SessionStart(LeaseId(""), plan.session_id, role, runner.name)
    unheard = _Unheard()
    progress_file = runner.progress_file(plan)
    output = SessionOutput(
        reader,
        log=SessionLog(unheard, start),
        reporter=unheard,
        start=start,
        progress_files=() if progress_file is None else (progress_file,),
    )
    stop = Stop(grace_s=GRACE_S)
    try:
        launch = _launch(runner, plan, folder, env)
        ended = asyncio.run(
            run_once_guarded(launch, timeout_s=TRIAL_S, stop=stop, sink=output, progress=output)
        )
    except OSError as error:
        return Probe(NAME, f"the {role}'s session can't be prepared: {error}", ok=False, hint=_HINT)
    output.flush()
    if ended.cause is EndCause.SPAWN:
        ended = explain_spawn(ended, launch)
    return _judge(role, _failure(role, ended, output, reader), reader)


def _launch(runner: Runner, plan: SessionPlan, folder: Path, env: Mapping[str, str]) -> Launch:
    """Writes what the session reads.

    Raises:
        OSError: a file can't be written.
    """
    task_file = folder / "task.json"
    write_private(plan.prompt_file, plan.prompt)
    write_private(task_file, plan.task.document)
    runner.prepare(plan)
    assignment = Assignment(plan.task, LeaseId(""), attempt=1, epoch=0)
    variables = {
        **env,
        **task_variables(assignment, project_root=plan.project_root),
        **session_variables(
            plan.session_id, role=plan.role, prompt_file=plan.prompt_file, task_file=task_file
        ),
    }
    return Launch(
        runner.argv(plan), plan.project_root, variables, folder / "guard.lock", stdin=runner.stdin(plan)
    )


def _failure(role: Role, ended: RunEnd, output: SessionOutput, reader: OutputReader) -> Failure | None:
    if failure := failure_of_end(role, ended, timeout_s=TRIAL_S):
        return failure
    return reader.report(output.reply, exit_code=ended.exit_code or 0).failure


def _judge(role: Role, failure: Failure | None, reader: OutputReader) -> Probe:
    if failure is not None:
        return Probe(NAME, f"the {role} was asked for one word: {failure.error}", ok=False, hint=_HINT)
    used = reader.usage
    tokens = used.input_tokens + used.output_tokens
    if not reader.reached_model:
        text = f"the {role}'s session ended well; it does not say whether it asked a model"
        return Probe(NAME, text, unproven=True)
    return Probe(
        NAME, f"the {role} was asked for one word and answered{f', {tokens} tokens' if tokens else ''}"
    )


class _Unheard:
    """A reporter for sessions without a server."""

    async def request_go(self, start: SessionStart) -> GoAnswer:
        return GoAnswer(granted=True)

    async def request_checks(self, lease_id: LeaseId) -> GoAnswer:
        return GoAnswer(granted=True)

    async def report_end(self, end: SessionEnd) -> None:
        """Reports to nobody."""

    def report_log(self, start: SessionStart, entry: SessionLogLine, *, number: int) -> None:
        """Reports to nobody."""

    def report_usage(self, start: SessionStart, usage: Usage) -> None:
        """Reports to nobody."""
