"""Replication of one database: its feed to standbys, and the replies that wait for them."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from swarmd.store.commit_feed import CommitFeed, FeedCounts, Follower
from swarmd.store.held_replies import HeldReplies
from swarmd.store.write_queue import WriteJob


class Replication:
    """The standbys of one database. Its methods run on the event loop, but for `publish`."""

    def __init__(
        self, feed: CommitFeed, deliver: Callable[[list[WriteJob]], None], *, ack_replicated: bool
    ) -> None:
        """With `ack_replicated` the reply to a write waits for a standby, as long as one is in sync."""
        self._feed = feed
        self._ack_replicated = ack_replicated
        self._held = HeldReplies(deliver, give_up=feed.distrust)

    @contextlib.asynccontextmanager
    async def follow(self, pass_writer: Callable[[], Awaitable[None]]) -> AsyncIterator[Follower]:
        """Yields a follower of all commits from now on; `pass_writer` lets the writer run a group."""
        follower = self._feed.add_follower()
        try:
            await pass_writer()
            yield follower
        finally:
            self._feed.remove(follower)
            self._held.release(self._awaited())

    @property
    def position(self) -> int:
        """The number of commits that followers have got so far."""
        return self._feed.position

    def counts(self) -> FeedCounts:
        """Returns the numbers of standbys."""
        return self._feed.counts()

    def confirm(self, follow_id: str, position: int, *, in_sync: bool) -> bool:
        """Notes what a standby has stored; returns False if no follower has that id."""
        known = self._feed.confirm(follow_id, position, in_sync=in_sync)
        self._held.release(self._awaited())
        return known

    def close(self) -> None:
        """Lets the streams of all standbys end, after the commits that wait."""
        self._feed.close()

    def publish(self) -> int:
        """Gives the commits of a group to the followers; returns the position. Runs on the writer's thread."""
        return self._feed.after_group()

    def reply(self, group: list[WriteJob], position: int) -> None:
        """Delivers the results of a group, now or when a standby has stored them."""
        self._held.add(group, position, confirmed=self._awaited())

    def release(self) -> None:
        """Delivers all results at the end of the server."""
        self._held.release(None)

    def _awaited(self) -> int | None:
        """Returns the position up to which replies may go out, None for all."""
        return self._feed.confirmed() if self._ack_replicated else None
