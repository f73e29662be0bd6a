"""Joining over real gRPC: a real worker with a join token, its credential, and what the server allows with each."""

import hashlib
from pathlib import Path
from typing import Any

import grpc
import pytest

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.swarm_server import WORKER
from integration.test_access import METHODS, outcome
from support.programs import Program, Stage, stage
from support.server import Client, Server, end_of, next_message, refusal
from support.waiting import eventually

SECRET = "s" * 43
CREDENTIAL = f"swt1_worker_0123456789ab_{SECRET}"


async def join_token(served: Server, **terms: Any) -> Any:
    """Makes a join token; returns the server's answer."""
    request = pb.CreateTokenRequest(role=pb.ROLE_WORKER, join=pb.JoinTerms(**terms))
    return await served.client().call("CreateToken", request)


def request(**fields: Any) -> wire.JoinSwarmRequest:
    given = {
        "worker": "w1",
        "instance": "w1-instance",
        "credential_id": "0123456789ab",
        "secret_hash": hashlib.sha256(SECRET.encode()).digest(),
    } | fields
    return wire.JoinSwarmRequest(**given)


async def joined(served: Server, **terms: Any) -> Client:
    """Returns a client with the credential of a worker that has joined."""
    token = (await join_token(served, **terms)).token
    await served.client(token).call("JoinSwarm", request())
    return served.client(CREDENTIAL)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_a_join_token_may_call_one_method(served: Server, method: Any) -> None:
    token = (await join_token(served)).token

    code = await outcome(served, token, method)

    expected = (
        grpc.StatusCode.INVALID_ARGUMENT if method.name == "JoinSwarm" else grpc.StatusCode.PERMISSION_DENIED
    )
    assert code is expected


async def test_the_labels_of_the_token_are_the_workers_whatever_it_announces(served: Server) -> None:
    client = await joined(served, labels={"pool": "gpu"})

    assert (await next_message(client.claims("w1", labels={"arch": "arm"}))).HasField("opened")

    [worker] = (await served.client().call("ListWorkers", pb.ListWorkersRequest())).workers
    assert dict(worker.labels) == {"pool": "gpu", "arch": "arm"}
    error = await refusal(client.claims("w1", labels={"pool": "cpu"}).read())
    assert (error.code, "pool is 'gpu'" in error.message) == (grpc.StatusCode.INVALID_ARGUMENT, True)


@pytest.mark.parametrize("other", [{"name": "w2"}, {"name": "w1", "instance": "a copy"}])
async def test_a_credential_is_good_for_its_worker_and_state_folder_alone(
    served: Server, other: dict[str, str]
) -> None:
    client = await joined(served)

    error = await refusal(client.claims(**other).read())

    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "has the credential of 'w1', or of another state folder" in error.message


async def test_a_revoked_credential_loses_its_stream_and_its_join_token_does_not_bring_it_back(
    served: Server,
) -> None:
    token = (await join_token(served)).token
    await served.client(token).call("JoinSwarm", request())
    stream = served.client(CREDENTIAL).claims()
    await next_message(stream)

    await served.client().call("RevokeToken", pb.RevokeTokenRequest(token_id="0123456789ab"))

    assert await end_of(stream) is grpc.StatusCode.UNAUTHENTICATED
    error = await refusal(served.client(token).call("JoinSwarm", request()))
    assert (error.reason, "was revoked" in error.message) == ("JOIN_REFUSED", True)


async def test_the_list_of_tokens_names_who_joined_by_what_and_when(served: Server) -> None:
    made = await join_token(served, labels={"pool": "gpu"}, max_uses=2)
    await served.client(made.token).call("JoinSwarm", request())

    tokens = (await served.client().call("ListTokens", pb.ListTokensRequest())).tokens

    found = {token.kind: token for token in tokens}
    join, credential = found[pb.TOKEN_KIND_JOIN], found[pb.TOKEN_KIND_CREDENTIAL]
    assert (join.uses, join.max_uses, dict(join.labels)) == (1, 2, {"pool": "gpu"})
    assert join.HasField("expires_at")
    assert join.HasField("used_at")
    assert (credential.worker, credential.joined_by) == ("w1", join.token_id)
    assert not credential.HasField("expires_at")
    assert SECRET not in str(tokens)


@pytest.mark.slow
async def test_an_expired_viewer_is_refused_with_a_reason_and_its_streams_end(
    served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = pb.CreateTokenRequest(role=pb.ROLE_VIEWER)
    request.valid_for.FromSeconds(60)
    token = (await served.client().call("CreateToken", request)).token
    viewer = served.client(token)
    watching = viewer.operator.WatchEvents(pb.WatchEventsRequest(follow=True), metadata=viewer.metadata)
    await next_message(watching)
    now_us = served.swarm.clock.wall_us() + 61_000_000
    monkeypatch.setattr(served.swarm.clock, "wall_us", lambda: now_us)

    error = await refusal(viewer.call("GetSwarm", pb.GetSwarmRequest()))

    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")
    assert await end_of(watching) is grpc.StatusCode.UNAUTHENTICATED


class Machine:
    """Real workers that join a served swarm, each start a new process on the same state folder."""

    def __init__(self, stage: Stage, served: Server) -> None:
        self.stage = stage
        self.served = served
        self._starts = 0
        (stage.folder / "project").mkdir()

    @property
    def state(self) -> Path:
        return self.stage.folder / "state" / "w1"

    def start(self, token: str, *flags: str) -> Program:
        self._starts += 1
        argv = (
            "--server", self.served.address, "--name", "w1", "--project-root", str(self.stage.project),
            "--state-dir", str(self.stage.folder / "state"), "--runner", "command", "--builder-command", "true",
            "--no-validation", *flags,
        )  # fmt: skip
        return self.stage.start(
            f"worker-{self._starts}", *argv, program=WORKER.name, env={"SWARM_TOKEN": token}
        )

    async def ready(self, program: Program) -> None:
        await eventually(lambda: "ready" in program.out.read_text(), f"the worker is ready: {program.said()}")


@pytest.fixture
def machine(tmp_path: Path, served: Server) -> Any:
    (tmp_path / "machine").mkdir()
    with stage(tmp_path / "machine") as found:
        yield Machine(found, served)


@pytest.mark.slow
async def test_a_worker_joins_once_and_comes_back_when_its_token_is_worthless(machine: Machine) -> None:
    made = await join_token(machine.served, labels={"pool": "gpu"}, max_uses=1)
    first = machine.start(made.token, "--label", "arch=arm")
    await machine.ready(first)
    credential = machine.state / "credential"
    assert credential.stat().st_mode & 0o777 == 0o600
    assert not (machine.state / "joining").exists()
    first.kill()
    await machine.served.client().call("RevokeToken", pb.RevokeTokenRequest(token_id=made.info.token_id))

    await machine.ready(machine.start(made.token))

    tokens = (await machine.served.client().call("ListTokens", pb.ListTokensRequest())).tokens
    assert [token.worker for token in tokens if token.kind == pb.TOKEN_KIND_CREDENTIAL] == ["w1"]
    assert made.token not in credential.read_text()


@pytest.mark.slow
async def test_a_worker_that_died_before_the_answer_repeats_its_exchange(machine: Machine) -> None:
    """The server has the credential, and the worker's disk knows it as drawn only."""
    made = await join_token(machine.served, max_uses=1)
    first = machine.start(made.token)
    await machine.ready(first)
    first.kill()
    (machine.state / "credential").rename(machine.state / "joining")

    await machine.ready(machine.start(made.token))

    tokens = (await machine.served.client().call("ListTokens", pb.ListTokensRequest())).tokens
    assert [token.uses for token in tokens if token.kind == pb.TOKEN_KIND_JOIN] == [1]


async def test_a_second_machine_with_a_used_token_ends_with_one_line(machine: Machine) -> None:
    made = await join_token(machine.served, max_uses=1)
    await machine.served.client(made.token).call("JoinSwarm", request(worker="thief", instance="theirs"))

    late = machine.start(made.token)

    await eventually(lambda: late.process.poll() is not None, "the worker ends")
    assert late.process.returncode == 4
    assert f"the join token {made.info.token_id} was used once, last at 20" in late.said()
    assert "Traceback" not in late.said()


@pytest.mark.slow
async def test_a_worker_whose_credential_is_revoked_ends_and_does_not_join_again(machine: Machine) -> None:
    made = await join_token(machine.served, max_uses=0)
    worker = machine.start(made.token)
    await machine.ready(worker)
    tokens = (await machine.served.client().call("ListTokens", pb.ListTokensRequest())).tokens
    [credential] = [token for token in tokens if token.kind == pb.TOKEN_KIND_CREDENTIAL]

    await machine.served.client().call("RevokeToken", pb.RevokeTokenRequest(token_id=credential.token_id))

    await eventually(lambda: worker.process.poll() is not None, "the worker ends")
    assert worker.process.returncode == 6
    again = machine.start(made.token)
    await eventually(lambda: again.process.poll() is not None, "the worker ends")
    assert again.process.returncode == 6


@pytest.mark.slow
async def test_a_copy_of_a_state_folder_joins_by_itself_or_not_at_all(machine: Machine) -> None:
    made = await join_token(machine.served, max_uses=1)
    first = machine.start(made.token)
    await machine.ready(first)
    first.kill()
    lock = machine.state / "lock"
    lock.rename(machine.state / "lock.old")
    lock.write_bytes((machine.state / "lock.old").read_bytes())  # another inode, as in a copy

    copy = machine.start(made.token)

    await eventually(lambda: copy.process.poll() is not None, "the worker ends")
    assert "was used once" in copy.said()


@pytest.mark.slow
async def test_a_new_join_token_replaces_a_credential(machine: Machine) -> None:
    for _ in range(2):
        made = await join_token(machine.served, max_uses=1)
        worker = machine.start(made.token)
        await machine.ready(worker)
        worker.kill()

    tokens = (await machine.served.client().call("ListTokens", pb.ListTokensRequest())).tokens
    assert [token.uses for token in tokens if token.kind == pb.TOKEN_KIND_JOIN] == [1, 1]
