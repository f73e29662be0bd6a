"""The feed of committed pages to standbys: it reads each commit from the WAL, before a later one can overwrite it.

Invariant: a follower gets the pages of every commit after its beginning, in order, or learns that it needs a new base.
"""

import asyncio
import os
import secrets
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from swarmd.domain.errors import ServerStopping
from swarmd.store.file.commit_log import CommitRecord

# The pages that may wait for one follower; beyond it the follower needs a new base.
MAX_WAITING_BYTES: Final = 256 * 1024 * 1024
_WAL_HEAD_BYTES: Final = 32
_SALTS: Final = slice(16, 24)
# Page number, pages of the database after the commit, salts; two checksums follow.
_FRAME_HEAD: Final = struct.Struct(">II8s8x")


@dataclass(frozen=True, slots=True)
class _Commit:
    """The pages that a group of writes has changed."""

    position: int
    database_pages: int
    pages: Mapping[int, bytes]


class Follower:
    """The commits that wait for one standby. Commits that wait together become one record."""

    def __init__(self, page_bytes: int) -> None:
        self.follow_id = secrets.token_hex(8)
        # The position of its beginning; later commits are in its records.
        self.begins = 0
        # The last position that the standby has stored.
        self.confirmed = 0
        # True once the standby could replace the server without a loss of what it has confirmed.
        self.in_sync = False
        # The position that it must reach before replies wait for it.
        self.trusted_from = 0
        self._page_bytes = page_bytes
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._pages: dict[int, bytes] = {}
        self._first = self._last = self._database_pages = 0
        self._overrun = self._closing = False

    async def next_record(self, *, confirmed: int = 0) -> CommitRecord | None:
        """Waits for commits, and until the standby has stored that position; returns the commits as one record.

        Returns None if too much has waited, and some is dropped.

        Raises:
            ServerStopping: The server stops, and no commit waits.
        """
        while True:
            await self._ready.wait()
            with self._lock:
                self._ready.clear()
                if self._overrun:
                    return None
                # A wake may be about commits that an earlier record has.
                if self._first and (self.confirmed >= confirmed or self._closing):
                    self.wake()
                    return self._pop_record()
                if self._closing:
                    raise ServerStopping

    def wake(self) -> None:
        """Lets the reader look again; runs on the event loop."""
        self._ready.set()

    def _pop_record(self) -> CommitRecord:
        record = CommitRecord(self._first, self._last, self._database_pages, self._page_bytes, self._pages)
        self._pages, self._first = {}, 0
        return record

    def close(self) -> None:
        """Lets the reader end after what waits."""
        self._closing = True
        self.wake()

    def add(self, commit: _Commit | None) -> None:
        """Queues a commit, None if it could not be read; runs on the writer's thread."""
        with self._lock:
            if (
                commit is None
                or (len(self._pages) + len(commit.pages)) * self._page_bytes > MAX_WAITING_BYTES
            ):
                self._overrun, self._pages = True, {}
            elif not self._overrun:
                self._first = self._first or commit.position
                self._last, self._database_pages = commit.position, commit.database_pages
                self._pages.update(commit.pages)
        self._loop.call_soon_threadsafe(self.wake)


class FeedCounts(NamedTuple):
    """The numbers of standbys."""

    attached: int
    in_sync: int


class CommitFeed:
    """The followers of one database, and the end of what they have got of its WAL."""

    def __init__(self, writer: apsw.Connection, wal: Path) -> None:
        self._writer = writer
        self._wal = wal
        self._lock = threading.Lock()
        self._followers: list[Follower] = []
        self._new: list[Follower] = []
        # The salts of the WAL, which change when it begins again, and the number of its frames.
        self._end = (b"", 0)
        self._page_bytes = int(writer.pragma("page_size"))
        # The number of commits so far that followers get.
        self.position = 0

    def add_follower(self) -> Follower:
        """Adds a follower, which begins after the group of writes that runs now."""
        follower = Follower(self._page_bytes)
        with self._lock:
            self._new.append(follower)
        return follower

    def remove(self, follower: Follower) -> None:
        """Removes the follower."""
        with self._lock:
            self._followers = [other for other in self._followers if other is not follower]
            self._new = [other for other in self._new if other is not follower]

    def confirm(self, follow_id: str, position: int, *, in_sync: bool) -> bool:
        """Notes the position that a standby has stored; returns False if no follower has that id."""
        with self._lock:
            for follower in self._followers:
                if follower.follow_id == follow_id:
                    follower.confirmed = max(follower.confirmed, min(position, self.position))
                    follower.wake()
                    follower.in_sync = in_sync and follower.confirmed >= follower.trusted_from
                    return True
        return False

    def confirmed(self) -> int | None:
        """Returns the highest position of a standby that is in sync, None if none is."""
        with self._lock:
            return max((one.confirmed for one in self._followers if one.in_sync), default=None)

    def distrust(self) -> None:
        """Takes no standby as in sync before it has caught up."""
        with self._lock:
            for follower in self._followers:
                follower.in_sync, follower.trusted_from = False, self.position

    def close(self) -> None:
        """Lets the streams of all followers end."""
        with self._lock:
            for follower in (*self._followers, *self._new):
                follower.close()

    def counts(self) -> FeedCounts:
        """Returns the standbys, and those in sync."""
        with self._lock:
            return FeedCounts(len(self._followers), sum(one.in_sync for one in self._followers))

    def after_group(self) -> int:
        """Gives the commits of a group to the followers; returns the position. Runs on the writer's thread."""
        with self._lock:
            if not self._followers and not self._new:
                return self.position
            try:
                if self._followers:
                    self._publish()
                else:
                    self._end = self._wal_end()
            except (OSError, apsw.Error):
                # The standbys begin again with a new base; the writer must go on.
                self._cut_off()
                return self.position
            for follower in self._new:
                follower.begins = follower.confirmed = self.position
            self._followers += self._new
            self._new = []
            return self.position

    def _cut_off(self) -> None:
        for follower in (*self._followers, *self._new):
            follower.in_sync = False
            follower.add(None)
        self._followers, self._new = [], []

    def _publish(self) -> None:
        salts, known = self._end
        self._end = now = self._wal_end()
        begins = known if now[0] == salts else 0
        if now[1] == begins:
            return
        self.position += 1
        commit = self._read(begins, now)
        for follower in self._followers:
            follower.add(commit)

    def _wal_end(self) -> tuple[bytes, int]:
        # The statement only counts; a transaction that was undone may have begun the WAL again.
        row = self._writer.execute("PRAGMA wal_checkpoint=NOOP").fetchone()
        assert row is not None
        return self._pread(_WAL_HEAD_BYTES, 0)[_SALTS], int(row[1])

    def _read(self, begins: int, end: tuple[bytes, int]) -> _Commit | None:
        """Returns the pages of the frames after `begins`; None if they are too many, or can't be read."""
        step = _FRAME_HEAD.size + self._page_bytes
        size = (end[1] - begins) * step
        if size > MAX_WAITING_BYTES:
            return None
        data = self._pread(size, _WAL_HEAD_BYTES + begins * step)
        pages, database_pages = dict[int, bytes](), 0
        for place in range(0, size, step):
            head = data[place : place + _FRAME_HEAD.size]
            if len(head) < _FRAME_HEAD.size or (frame := _FRAME_HEAD.unpack(head))[2] != end[0]:
                return None
            pages[frame[0]] = data[place + _FRAME_HEAD.size : place + step]
            database_pages = frame[1]
        return _Commit(self.position, database_pages, pages) if database_pages else None

    def _pread(self, size: int, offset: int) -> bytes:
        # SQLite holds no lock on the WAL that this close would release: its locks are on other files.
        fd = os.open(self._wal, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)
