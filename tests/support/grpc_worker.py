"""A worker over real gRPC that a test controls step by step."""

import hashlib
from collections.abc import Sequence
from typing import Any

from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as worker_pb
from support.server import Client, next_message

ROLES = {"builder": session_pb2.SESSION_ROLE_BUILDER, "validator": session_pb2.SESSION_ROLE_VALIDATOR}
OUTCOMES = {
    "completed": task_pb2.OUTCOME_KIND_COMPLETED,
    "failed": task_pb2.OUTCOME_KIND_FAILED,
    "stopped": task_pb2.OUTCOME_KIND_STOPPED,
}
RECEIPT = session_pb2.KillReceipt(containment="subreaper", processes_found=3, terminated=3, killed=1)


class GrpcWorker:
    """A connected worker and its claims."""

    def __init__(self, client: Client, name: str = "w1", *, slots: int = 1, **identity: Any) -> None:
        self.name = name
        self._client = client
        self._stream = client.claims(name, slots=slots, **identity)
        self._claims: list[worker_pb.Claim] = []
        self._numbers: dict[str, int] = {}

    async def claim(self) -> worker_pb.Claim:
        """Returns the next claim."""
        while not self._claims:
            self._claims += (await next_message(self._stream)).claims
        return self._claims.pop(0)

    async def start(self, claim: worker_pb.Claim, role: str = "builder") -> str:
        """Gets the go for a session; returns its id."""
        session_id = f"{claim.task.task_id}-{claim.attempt}-{role}"
        record = worker_pb.SessionRecord(
            lease_id=claim.lease_id, session_id=session_id, role=ROLES[role], runner="command"
        )
        request = worker_pb.RecordSessionRequest(worker=self.name, records=[record])
        answer = await self._client.call("RecordSession", request)
        assert answer.answers[0].go, answer
        return session_id

    async def start_with_token(self, claim: worker_pb.Claim) -> str:
        """Gets the go for a builder with a token of its own; returns the token."""
        token_id, secret = f"{claim.attempt:012x}", "s" * 43
        record = worker_pb.SessionRecord(
            lease_id=claim.lease_id,
            session_id=f"{claim.task.task_id}-{claim.attempt}-builder",
            role=ROLES["builder"],
            token_id=token_id,
            token_hash=hashlib.sha256(secret.encode()).digest(),
        )
        request = worker_pb.RecordSessionRequest(worker=self.name, records=[record])
        answer = await self._client.call("RecordSession", request)
        assert answer.answers[0].go, answer
        return f"swt1_session_{token_id}_{secret}"

    async def end(self, claim: worker_pb.Claim, session_id: str, exit_code: int = 0) -> None:
        """Reports the end of a session."""
        record = worker_pb.SessionRecord(lease_id=claim.lease_id, session_id=session_id)
        record.end.exit_code = exit_code
        request = worker_pb.RecordSessionRequest(worker=self.name, records=[record])
        await self._client.call("RecordSession", request)

    async def say(
        self,
        claim: worker_pb.Claim,
        session_id: str,
        *lines: str,
        first: int = 0,
        cost: str = "",
        kind: session_pb2.LogKind.ValueType = session_pb2.LOG_KIND_OUTPUT,
    ) -> None:
        """Reports log lines of a session; `first` leaves numbers out."""
        begin = first or self._numbers.get(session_id, 0) + 1
        entries: Sequence[session_pb2.LogEntry] = [
            session_pb2.LogEntry(number=begin + at, kind=kind, text=line) for at, line in enumerate(lines)
        ]
        self._numbers[session_id] = begin + len(lines) - 1
        progress = worker_pb.SessionProgress(lease_id=claim.lease_id, session_id=session_id, entries=entries)
        if cost:
            progress.usage.CopyFrom(session_pb2.Usage(input_tokens=10, output_tokens=2, cost=cost))
        request = worker_pb.ReportProgressRequest(worker=self.name, sessions=[progress])
        await self._client.call("ReportProgress", request)

    async def finish(self, claim: worker_pb.Claim, kind: str = "completed", **outcome: Any) -> None:
        """Reports the outcome."""
        made = task_pb2.Outcome(kind=OUTCOMES[kind], **outcome)
        item = worker_pb.FinishedAttempt(lease_id=claim.lease_id, outcome=made)
        request = worker_pb.FinishTaskRequest(worker=self.name, finished=[item])
        result = await self._client.call("FinishTask", request)
        assert result.results[0].disposition == worker_pb.FINISH_DISPOSITION_ACCEPTED, result

    async def work(self, kind: str = "completed", **outcome: Any) -> str:
        """Runs the next task to an outcome of that kind; returns its id."""
        claim = await self.claim()
        await self.end(claim, await self.start(claim))
        await self.finish(claim, kind, **outcome)
        return str(claim.task.task_id)
