"""The notification service: one notifier for each target while the server runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from amplifier_swarm.host import host_name
from swarmd.engine.ports import Entropy
from swarmd.engine.swarm import Swarm
from swarmd.notify.notifier import Notifier, Sender
from swarmd.notify.targets import Target

# A part of the time that swarmd may take to end.
CLOSE_WITHIN_S: Final = 2.0


@contextlib.asynccontextmanager
async def run_notifiers(
    swarm: Swarm, targets: Sequence[Target], sender: Sender, entropy: Entropy
) -> AsyncIterator[None]:
    """Runs a notifier for each target; at the end sends pending notices for at most CLOSE_WITHIN_S."""
    notifiers = [
        Notifier(target, sender, swarm=swarm, entropy=entropy, host=host_name()) for target in targets
    ]
    for notifier in notifiers:
        await notifier.start()
    try:
        yield
    finally:
        await asyncio.gather(*(notifier.close(CLOSE_WITHIN_S) for notifier in notifiers))
