"""Demands of tasks on workers, after their definition or their orders have changed."""

from swarmd.domain.landing import StartPoint
from swarmd.domain.model import TaskKey
from swarmd.domain.placement import demands
from swarmd.store import landings, swarm
from swarmd.store.reads import views
from swarmd.store.transaction import Tx


def set_demands(
    tx: Tx, key: TaskKey, *, work_in: str = "", starts_at: StartPoint = StartPoint.BUILDER
) -> None:
    """Gives the task to the workers that its definition asks for; with `work_in`, to those of that repository alone.

    `starts_at` is where the next attempt starts: not every worker knows each start.
    """
    demanded = demands(views.definition(tx, key), work_in=work_in, starts_at=starts_at)
    landings.set_label_set(tx, key, label_set_key=swarm.label_set_key(tx, demanded))
