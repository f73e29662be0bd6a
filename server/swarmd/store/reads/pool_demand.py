"""The tasks that a pool of workers could run or runs. The cost depends on the label sets, not on the tasks."""

import json
from typing import Final

from swarmd.domain.model import SwarmMode
from swarmd.domain.placement import WorkerPool
from swarmd.store import swarm
from swarmd.store.transaction import ReadTx

# More ready tasks of one set of labels are not counted: no pool has more slots.
MAX_COUNTED: Final = 10_000


def count_tasks(tx: ReadTx, pool: WorkerPool) -> int:
    """Returns the number of tasks that workers of the pool run, or could run now if there were enough of them."""
    wanted = pool.labels.items()
    count = sum(int(held) for labels, held in tx.all("pool_held") if wanted <= json.loads(labels).items())
    if swarm.get(tx).mode is SwarmMode.RUNNING:
        rows = (*tx.all("pool_ready", most=MAX_COUNTED), *tx.all("pool_admissible", most=MAX_COUNTED))
        count += sum(int(ready) for labels, ready in rows if pool.serves(json.loads(labels)))
    return count
