"""The sessions' way to the server: it converts their values to messages and passes the messages to the reporter."""

import time

from swarm_worker.domain.model import SessionEnd, SessionLogLine, SessionStart, Usage
from swarm_worker.domain.ports import Go
from swarm_worker.rpc import convert
from swarm_worker.rpc.batcher import ItemRefused
from swarm_worker.rpc.orders import stop_order
from swarm_worker.rpc.reporter import ProgressItem, Reporter


class RpcSessionReporter:
    """A SessionReporter over gRPC; every method is safe to call whatever the state of the server."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    async def ask(self, start: SessionStart) -> Go:
        """See Desk."""
        try:
            answer = await self._reporter.records.request(convert.session_start(start))
        except ItemRefused as error:
            return Go(go=False, refusal=str(error))
        order = stop_order(answer.order) if answer.HasField("order") else None
        return Go(go=answer.go, order=order)

    async def end(self, end: SessionEnd) -> None:
        """See Desk."""
        try:
            await self._reporter.records.request(convert.session_end(end))
        except ItemRefused:
            return

    def log(self, start: SessionStart, entry: SessionLogLine, *, number: int) -> None:
        """See Desk; what the server can't take in time is dropped."""
        logged = convert.log_entry(entry, number=number, wall_s=time.time())
        self._reporter.progress.enqueue(ProgressItem(start.lease_id, start.session_id, entry=logged))

    def use(self, start: SessionStart, usage: Usage) -> None:
        """See Desk."""
        self._reporter.progress.enqueue(
            ProgressItem(start.lease_id, start.session_id, usage=convert.usage(usage))
        )
