"""The kinds of runners: those that work, and the one that only rehearses, in whose sessions no model works."""

from typing import Final

from swarmd.domain.model import WorkerIdentity

# The runner whose sessions are rehearsals.
REHEARSAL_RUNNER: Final = "embedded"


def rehearses(identity: WorkerIdentity) -> bool:
    """Returns whether no model works in the sessions of this worker."""
    return identity.runner == REHEARSAL_RUNNER


def is_barred(identity: WorkerIdentity) -> bool:
    """Returns whether the worker may not work in a swarm that has done real work."""
    return rehearses(identity) and not identity.allows_rehearsal
