"""The trial of a runner: a session that asks a model for one word, and so needs nothing of any task.

Invariant: a builder that failed before it reached a model is charged to its task only if a trial has reached a model.
Without the trial, one task that ends its own agent would look like a broken set-up and pause worker after worker.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from swarm_worker.domain.model import Failure, FailureClass, Task
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.provider_errors import RESUME_HINT

PROMPT: Final = "Reply with the single word READY. Use no tools and change no file."
# The limit of a trial; a cold start of an agent on a busy machine takes a minute.
TRIAL_S: Final = 300.0
NOTE: Final = "no model was reached; a trial asks for one word, which shows whether the task is the cause"
# Failures that can come from the set-up and from the task. Other classes name their cause.
_UNCLEAR: Final = (
    FailureClass.AGENT_ERROR,
    FailureClass.BAD_CONFIG,
    FailureClass.CRASHED,
    FailureClass.STALLED,
    FailureClass.TIMEOUT,
)
_PROVIDERS: Final = (FailureClass.PROVIDER_DENIED, FailureClass.PROVIDER_LIMITED)


def trial_plan(
    session: SessionId, *, role: Role, project_root: Path, prompt_file: Path, swarm_id: str = ""
) -> SessionPlan:
    """Returns the plan of a trial: its task declares nothing, so that nothing but a reply is expected."""
    return SessionPlan(
        session_id=session,
        role=role,
        task=Task("trial", "{}"),
        prompt=PROMPT,
        project_root=project_root,
        prompt_file=prompt_file,
        swarm_id=swarm_id,
    )


def is_unclear(failure: Failure, *, reached: bool) -> bool:
    """Returns whether a trial has to find out the cause; `reached` is true if the session reached a model."""
    return not reached and failure.kind in _UNCLEAR


def failure_after_trial(first: Failure, trial: Failure | None, *, reached: bool) -> Failure:
    """Returns the failure of a builder whose first run reached no model, after a trial that ended with `trial`.

    `reached` is true if the trial reached a model: then the cause lies in the task.
    """
    if trial is not None and trial.kind in _PROVIDERS:
        return trial
    if trial is None or reached:
        if first.kind is not FailureClass.BAD_CONFIG:
            return first
        error = f"{first.error}; other sessions of this runner work, so the cause lies in the task"
        return replace(first, kind=FailureClass.AGENT_ERROR, error=error)
    same = trial.error == first.error
    error = (
        f"{first.error}; no model was reached, nor in a trial that asked for one word"
        f"{'' if same else f' ({trial.error})'}; correct the set-up until swarm-worker --check --ask succeeds, "
        f"{RESUME_HINT}"
    )
    return Failure(FailureClass.BAD_CONFIG, error)
