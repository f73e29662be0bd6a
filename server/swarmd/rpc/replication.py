"""The stream to a standby: a base, then each commit; and what the standby has stored of it."""

import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from typing import Final

import structlog

from amplifier_swarm.v1 import operator_service_pb2 as pb
from swarmd.domain.errors import InvalidRequest, StorageFull
from swarmd.engine.swarm import Swarm
from swarmd.rpc.streams import MESSAGE_BYTES, read_copy
from swarmd.store import swarm as store_swarm
from swarmd.store.commit_feed import Follower

# A log that is longer than this, and longer than twice its base, is replaced by a new base.
LOG_BYTES: Final = 256 * 1024 * 1024
# The records that a standby may have got and not confirmed. Commits that wait meanwhile become one record, so that a
# slow standby does less work and is not far behind.
IN_FLIGHT: Final = 2

_log = structlog.get_logger("swarmd.replication")


async def follow(swarm: Swarm) -> AsyncGenerator[pb.FollowDatabaseResponse, None]:
    """Yields the messages of one copy after the other; a copy ends when its log is full or the standby is too slow."""
    try:
        while True:
            async with swarm.db.replication.follow(partial(pass_writer, swarm)) as follower:
                async for response in _copy(swarm, follower):
                    yield response
    except OSError as error:
        raise StorageFull(error.strerror or str(error), what="the base of the standby") from error


def confirm(swarm: Swarm, request: pb.ConfirmCommitsRequest) -> pb.ConfirmCommitsResponse:
    """Notes what a standby has stored.

    Raises: InvalidRequest if the position is negative.
    """
    if request.position < 0:
        raise InvalidRequest("position", "must not be negative")
    before = swarm.db.replication.counts().in_sync
    known = swarm.db.replication.confirm(request.follow_id, request.position, in_sync=request.complete)
    if swarm.db.replication.counts().in_sync != before:
        _log.info("a standby is in sync", position=request.position)
    return pb.ConfirmCommitsResponse(known=known)


async def pass_writer(swarm: Swarm) -> None:
    """Returns when the writer has ended the group that runs now, and one more."""
    await swarm.db.write(lambda _tx: None)


async def _copy(swarm: Swarm, follower: Follower) -> AsyncIterator[pb.FollowDatabaseResponse]:
    state = await swarm.db.read(store_swarm.get)
    begin = pb.FollowDatabaseResponse.Begin(
        follow_id=follower.follow_id, swarm_id=state.swarm_id, epoch=state.epoch
    )
    yield pb.FollowDatabaseResponse(begin=begin)
    base = 0
    async with contextlib.aclosing(read_copy(swarm)) as chunks:
        async for chunk in chunks:
            base += len(chunk)
            yield pb.FollowDatabaseResponse(base=chunk)
    # The base may have a commit that followers do not have yet; after one more group they all have it.
    await pass_writer(swarm)
    end = pb.FollowDatabaseResponse.BaseEnd(position=follower.begins, complete=swarm.db.replication.position)
    yield pb.FollowDatabaseResponse(base_end=end)
    sent, lasts = 0, deque([0] * IN_FLIGHT, maxlen=IN_FLIGHT)
    while sent <= max(LOG_BYTES, 2 * base):
        record = await follower.next_record(confirmed=lasts[0])
        if record is None:
            _log.warning("a standby is too slow, or its commits can't be read; it gets a new base")
            return
        lasts.append(record.last)
        data = record.encode()
        sent += len(data)
        for place in range(0, len(data), MESSAGE_BYTES):
            chunk = data[place : place + MESSAGE_BYTES]
            last = place + MESSAGE_BYTES >= len(data)
            yield pb.FollowDatabaseResponse(commits=chunk, position=record.last if last else 0)
