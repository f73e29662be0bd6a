"""The route of what the sessions have cost."""

from functools import partial
from typing import Final

from amplifier_swarm.documents import Document
from amplifier_swarm.documents.tasks import usage_document
from swarmd.store.reads.costs import CostGrouping
from swarmd.store.reads.costs import costs as read_costs
from swarmd.web.http.params import Param, choice, integer, moment
from swarmd.web.http.route import ApiRequest, AppState
from swarmd.wire import values

_MINUTE_US: Final = 60_000_000
BY: Final[Param[CostGrouping | None]] = choice(
    "by", "What a group has in common; `phase` by default.", CostGrouping
)
SINCE: Final[Param[int | None]] = moment(
    "since", "Only sessions that began from then on; without it, all of them."
)
OFFSET_MIN: Final[Param[int]] = integer(
    "utc_offset_min", "Where days begin: how far local time is ahead of UTC, in minutes.",
    low=-1_440, high=1_440, default=0,
)  # fmt: skip


async def costs(state: AppState, request: ApiRequest) -> Document:
    """Returns the usage of the sessions in groups."""
    read = partial(
        read_costs,
        by=request.get(BY) or CostGrouping.PHASE,
        since_us=request.get(SINCE) or 0,
        offset_us=request.get(OFFSET_MIN) * _MINUTE_US,
    )
    return {
        "groups": [
            {
                "name": group.name or None,
                "sessions": group.sessions,
                "unpriced": group.unpriced,
                "usage": usage_document(values.usage(group.usage)),
            }
            for group in await state.read_long(read)
        ]
    }
