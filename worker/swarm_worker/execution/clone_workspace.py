"""The workspace of one attempt in a clone of its own: made at the target's tip, kept as commits, landed.

Invariants: a finished builder's commits are kept by a ref before anything else happens to them. The target changes only
by compare-and-swap, from a tip on which the checks have run and on which the task has not landed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from amplifier_swarm.text import one_line
from swarm_worker.domain.finding_ids import with_ids
from swarm_worker.domain.model import (
    Assignment,
    Change,
    Failure,
    FailureClass,
    Finding,
    Landing,
    Outcome,
    OutcomeKind,
    Verdict,
)
from swarm_worker.execution.clone_tools import CloneTools
from swarm_worker.execution.session_output import SessionLog
from swarm_worker.execution.workspaces import CheckRunner
from swarm_worker.workspace.clone import Clone
from swarm_worker.workspace.git_runner import GitFailure

ERROR_CHARS: Final = 1_000
# Failures after which the next attempt starts from the work of this one, unless the task says otherwise.
WORK_STANDS: Final = ("validation_failed", "landing_conflict", "landing_failed", "no_verdict", "validator_failed")
