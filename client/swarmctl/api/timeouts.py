"""The deadlines of calls to swarmd, in seconds."""

from typing import Final

from amplifier_swarm_client.timeouts import DEADLINE_S, IMPORT_DEADLINE_S

__all__ = ["COMPLETION_DEADLINE_S", "DEADLINE_S", "IMPORT_DEADLINE_S"]

# A shell completion that hangs is worse than no offer.
COMPLETION_DEADLINE_S: Final = 1.0
