"""Pages of the list of tasks. A page's token fits one filter alone."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import TaskKey
from swarmd.store.reads import pages
from swarmd.store.reads.pages import TaskFilter
from swarmd.store.transaction import ReadTx
from swarmd.wire import reads

DEFAULT_PAGE: Final = 100
# Well below what a client takes as one message.
PAGE_BYTES: Final = 2 * 1024 * 1024
_PAGE_TOKEN: Final = re.compile(r"([0-9]{1,15})-([0-9a-f]{8})")


def page_token(key: int, wanted: TaskFilter) -> str:
    """Returns the token of the page after this key, which fits this filter alone."""
    return f"{key}-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:8]}"


def read_token(token: str, wanted: TaskFilter) -> int:
    if not token:
        return 0
    match = _PAGE_TOKEN.fullmatch(token)
    if match is None or page_token(int(match[1]), wanted) != token:
        raise InvalidRequest("page_token", "is not a token of this list; leave it empty to begin")
    return int(match[1])


def read(tx: ReadTx, wanted: TaskFilter, *, after: int, limit: int) -> pb.ListTasksResponse:
    """Reads a page; it ends early where its tasks would not fit into a message, but has one task at least."""
    keys = pages.page(tx, wanted, after=after, limit=limit)
    found: list[task_pb2.Task] = []
    size = 0
    for task in _tasks(tx, keys):
        size += task.ByteSize()
        if found and size > PAGE_BYTES:
            break
        found.append(task)
    more = len(keys) == limit or len(found) < len(keys)
    return pb.ListTasksResponse(
        tasks=found,
        next_page_token=page_token(keys[len(found) - 1], wanted) if more else "",
        total=pages.total(tx, wanted),
    )


def _tasks(tx: ReadTx, keys: Sequence[TaskKey]) -> Iterator[task_pb2.Task]:
    for first in range(0, len(keys), DEFAULT_PAGE):
        yield from reads.tasks(tx, keys[first : first + DEFAULT_PAGE])
