"""Terms of retries: what a person asks for besides full budgets."""

from dataclasses import dataclass
from typing import Final

from swarmd.domain.landing import StartPoint
from swarmd.domain.workspaces import RetryFrom


@dataclass(frozen=True, slots=True)
class RetryTerms:
    """The terms of a retry, for all of its tasks."""

    # Also tasks with processes that could not be ended.
    despite_survivors: bool = False
    # What the next attempt starts from; None: as the definition and the end of the attempt before say.
    retry_from: RetryFrom | None = None
    # VALIDATOR or CHECKS: the work that is there is judged again, and nothing is built. Else BUILDER.
    starts_at: StartPoint = StartPoint.BUILDER
    # Tasks that are completed run again. What has built on them is put back too, if that is asked for.
    completed: bool = False
    with_dependents: bool = False


PLAIN_RETRY: Final = RetryTerms()
