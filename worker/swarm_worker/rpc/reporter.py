"""Reports to the server: sessions (`desk` speaks for them), what they do, and outcomes. Each kind is gathered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from amplifier_swarm.errors import unpack
from amplifier_swarm.v1 import worker_service_pb2 as wire
from amplifier_swarm.v1.session_pb2 import LogEntry, Usage
from swarm_worker.rpc.batcher import Batcher
from swarm_worker.rpc.connection import ServerConnection
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, REFUSED, OutageLog

RECORD_CAP_S: Final = 5.0
FINISH_CAP_S: Final = 30.0
# A session's first words, and its last, come together or right before its outcome, which takes them along.
PROGRESS_LINGER_S: Final = 0.05
PROGRESS_PAUSE_S: Final = 0.25
PROGRESS_BOUND: Final = 10_000
# An outcome waits for what sessions did before it, unless the server takes this long.
PROGRESS_WAIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class ProgressItem:
    """One piece of news about a session."""

    lease_id: str
    session_id: str
    entry: LogEntry | None = None
    usage: Usage | None = None


class Reporter:
    """Speaks for one worker; every method is safe to call whatever the server's state."""

    def __init__(self, worker: str, stubs: ServerConnection, *, link: OutageLog) -> None:
        self._worker = worker
        self._stubs = stubs
        self.records = Batcher("RecordSession", self._record, link=link, weigh=_size, cap_s=RECORD_CAP_S)
        self.outcomes = Batcher("FinishTask", self._finish, link=link, weigh=_size, cap_s=FINISH_CAP_S)
        self.progress = Batcher(
            "ReportProgress",
            self._report,
            link=link,
            weigh=_news_size,
            cap_s=RECORD_CAP_S,
            bound=PROGRESS_BOUND,
            linger_s=PROGRESS_LINGER_S,
            pause_s=PROGRESS_PAUSE_S,
        )

    async def _record(self, items: Sequence[wire.SessionRecord]) -> Sequence[wire.SessionAnswer]:
        request = wire.RecordSessionRequest(worker=self._worker, records=items)
        response = await self._stubs.service.RecordSession(
            request, timeout=CALL_TIMEOUT_S, metadata=self._stubs.metadata
        )
        return response.answers

    async def _finish(self, items: Sequence[wire.FinishedAttempt]) -> Sequence[wire.FinishResult]:
        # The last log entries of an attempt go with its outcome, so that nobody sees them after it.
        try:
            async with self.progress.withdrawn(PROGRESS_WAIT_S) as news:
                return await self._deliver(items, news)
        except grpc.RpcError as error:
            if len(items) > 1 or unpack(error).code is not REFUSED:
                raise
        # What goes with an outcome must not be what keeps it out.
        [item] = items
        return await self._deliver([wire.FinishedAttempt(lease_id=item.lease_id, outcome=item.outcome)], ())

    async def _deliver(
        self, items: Sequence[wire.FinishedAttempt], news: Sequence[ProgressItem]
    ) -> Sequence[wire.FinishResult]:
        request = wire.FinishTaskRequest(worker=self._worker, finished=items, sessions=_progress(news))
        response = await self._stubs.service.FinishTask(
            request, timeout=CALL_TIMEOUT_S, metadata=self._stubs.metadata
        )
        return response.results

    async def _report(self, items: Sequence[ProgressItem]) -> Sequence[None]:
        request = wire.ReportProgressRequest(worker=self._worker, sessions=_progress(items))
        await self._stubs.service.ReportProgress(
            request, timeout=CALL_TIMEOUT_S, metadata=self._stubs.metadata
        )
        return [None] * len(items)


def _progress(items: Sequence[ProgressItem]) -> Iterable[wire.SessionProgress]:
    """The news by session."""
    sessions: dict[tuple[str, str], wire.SessionProgress] = {}
    for news in items:
        key = (news.lease_id, news.session_id)
        progress = sessions.setdefault(key, wire.SessionProgress(lease_id=key[0], session_id=key[1]))
        if news.entry is not None:
            progress.entries.append(news.entry)
        if news.usage is not None:
            progress.usage.CopyFrom(news.usage)
    return sessions.values()


def _size(message: wire.SessionRecord | wire.FinishedAttempt) -> int:
    return message.ByteSize()


def _news_size(news: ProgressItem) -> int:
    return 64 if news.entry is None else len(news.entry.text) + 64
