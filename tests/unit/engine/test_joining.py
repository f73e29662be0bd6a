"""Join tokens: exchanged for credentials, as often as they may, by whoever holds them and by nobody twice."""

import hashlib
from functools import partial
from typing import Any

import pytest

from support.engine import EngineHarness
from swarmd.domain.caller_errors import JoinRefused, RoleDenied, TokenExpired, TokenInvalid
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.model import Role
from swarmd.domain.token_terms import TokenKind, TokenTerms, join_terms, ordinary_terms
from swarmd.engine.auth import joining
from swarmd.engine.auth.joining import JoinRequest
from swarmd.engine.auth.tokens import NewToken
from swarmd.engine.ports import SystemEntropy
from swarmd.store.tokens import TokenRecord

DAY_S = 86_400.0
SECRET = "s" * 43


async def make(
    swarm: EngineHarness, role: Role = Role.WORKER, *, terms: TokenTerms | None = None
) -> NewToken:
    """Makes a join token that is good once, for a day, unless other terms are given."""
    swarm.swarm.tokens._entropy = SystemEntropy()  # the fake's ids begin alike
    terms = terms or join_terms(Role.WORKER, valid_s=DAY_S, labels={"pool": "gpu"}, max_uses=1)
    return await swarm.swarm.db.write(partial(swarm.swarm.tokens.create, role=role, name="gpus", terms=terms))


def request(worker: str = "w1", **fields: Any) -> JoinRequest:
    """A worker's request with a credential of its own."""
    given = {
        "instance": f"{worker}-instance",
        "credential_id": hashlib.sha256(worker.encode()).hexdigest()[:12],
        "secret_hash": hashlib.sha256(SECRET.encode()).digest(),
        "labels": {},
    } | fields
    return JoinRequest(worker, **given)


async def join(swarm: EngineHarness, token: NewToken, wanted: JoinRequest) -> TokenRecord:
    """Exchanges a token as the server does: it is verified first."""
    known = swarm.swarm.tokens.verify_join(token.text)
    exchange = partial(swarm.swarm.joining.exchange, join_token_id=known.token_id, request=wanted)
    return await swarm.swarm.db.write(exchange)


def text_of(credential: TokenRecord) -> str:
    return f"swt1_worker_{credential.token_id}_{SECRET}"


async def listed(swarm: EngineHarness, token_id: str) -> TokenRecord:
    found = await swarm.swarm.db.read(swarm.swarm.tokens.list_all)
    return next(record for record in found if record.token_id == token_id)


async def test_a_join_token_becomes_a_credential_with_its_labels(swarm: EngineHarness) -> None:
    token = await make(swarm)

    credential = await join(swarm, token, request())

    assert swarm.swarm.tokens.verify(text_of(credential)) == credential
    assert (credential.kind, credential.role) == (TokenKind.CREDENTIAL, Role.WORKER)
    assert (credential.worker, credential.joined_by, credential.labels) == (
        "w1", token.record.token_id, {"pool": "gpu"},
    )  # fmt: skip
    assert (await listed(swarm, token.record.token_id)).uses == 1


async def test_a_join_token_opens_nothing_else_and_no_other_token_joins(swarm: EngineHarness) -> None:
    token = await make(swarm)
    static = await make(swarm, terms=TokenTerms())

    assert token.text.startswith("swt1_join_")
    with pytest.raises(RoleDenied, match="join token may not call anything but JoinSwarm"):
        swarm.swarm.tokens.verify(token.text)
    with pytest.raises(RoleDenied):
        swarm.swarm.tokens.verify_join(static.text)
    with pytest.raises(TokenInvalid):
        swarm.swarm.tokens.verify_join(token.text[:-1] + ("A" if token.text[-1] != "A" else "B"))


async def test_a_repeated_exchange_is_the_same_one_and_counts_once(swarm: EngineHarness) -> None:
    """The answer was lost: the worker asks again, by now too late for a first exchange."""
    token = await make(swarm)
    first = await join(swarm, token, request())
    swarm.clock.pass_s(2 * DAY_S)

    assert await join(swarm, token, request()) == first
    assert (await listed(swarm, token.record.token_id)).uses == 1


@pytest.mark.parametrize(
    "other",
    [
        {"secret_hash": hashlib.sha256(b"another").digest()},
        {"instance": "another"},
        {"worker": "w2"},
    ],
    ids=["another secret", "another state folder", "another name"],
)
async def test_nobody_else_repeats_an_exchange(swarm: EngineHarness, other: dict[str, Any]) -> None:
    terms = join_terms(Role.WORKER, valid_s=DAY_S, labels={}, max_uses=0)
    token = await make(swarm, terms=terms)
    mine = request()
    credential = await join(swarm, token, mine)

    theirs = request(**{"credential_id": mine.credential_id, "instance": mine.instance, **other})
    with pytest.raises(JoinRefused, match="can't make a credential of that id"):
        await join(swarm, token, theirs)
    assert await listed(swarm, credential.token_id) == credential


async def test_the_id_of_a_token_of_another_kind_is_not_to_be_had(swarm: EngineHarness) -> None:
    operator = await make(swarm, Role.OPERATOR, terms=TokenTerms())
    token = await make(swarm)

    with pytest.raises(JoinRefused, match="can't make a credential of that id"):
        await join(swarm, token, request(credential_id=operator.record.token_id))
    assert swarm.swarm.tokens.verify(operator.text).role is Role.OPERATOR


async def test_a_token_is_exchanged_as_often_as_it_may(swarm: EngineHarness) -> None:
    token = await make(swarm, terms=join_terms(Role.WORKER, valid_s=DAY_S, labels={}, max_uses=2))
    await join(swarm, token, request("w1"))
    await join(swarm, token, request("w2"))

    with pytest.raises(JoinRefused, match=r"was used 2 times, last at 20.*worker-config"):
        await join(swarm, token, request("w3"))


async def test_exchanges_of_one_group_of_writes_share_the_last_use(swarm: EngineHarness) -> None:
    token = await make(swarm)
    known = swarm.swarm.tokens.verify_join(token.text)

    def both(tx: Any) -> None:
        for name in ("w1", "w2"):
            swarm.swarm.joining.exchange(tx, known.token_id, request(name))

    with pytest.raises(JoinRefused):
        await swarm.swarm.db.write(both)
    assert (await listed(swarm, token.record.token_id)).uses == 0, "the write is undone as a whole"


async def test_an_expired_token_lets_nobody_in_and_ends_nobody(swarm: EngineHarness) -> None:
    token = await make(swarm, terms=join_terms(Role.WORKER, valid_s=DAY_S, labels={}, max_uses=0))
    credential = await join(swarm, token, request("w1"))
    swarm.clock.pass_s(DAY_S)

    with pytest.raises(JoinRefused, match="expired at 20"):
        await join(swarm, token, request("w2"))
    assert swarm.swarm.tokens.verify(text_of(credential)) == credential


async def test_a_revoked_join_token_lets_nobody_in_and_a_revoked_credential_stays_revoked(
    swarm: EngineHarness,
) -> None:
    token = await make(swarm, terms=join_terms(Role.WORKER, valid_s=DAY_S, labels={}, max_uses=0))
    credential = await join(swarm, token, request("w1"))
    ended: list[str] = []
    swarm.swarm.tokens.on_revoked = ended.append

    await swarm.swarm.db.write(partial(swarm.swarm.tokens.revoke, token_id=credential.token_id))

    with pytest.raises(TokenInvalid):
        swarm.swarm.tokens.verify(text_of(credential))
    assert ended == [credential.token_id]
    with pytest.raises(JoinRefused, match="which was revoked"):
        await join(swarm, token, request("w1"))
    await swarm.swarm.db.write(partial(swarm.swarm.tokens.revoke, token_id=token.record.token_id))
    with pytest.raises(TokenInvalid):
        await join(swarm, token, request("w2"))


async def test_other_values_for_labels_of_the_token_are_refused_before_a_use_is_counted(
    swarm: EngineHarness,
) -> None:
    token = await make(swarm)

    with pytest.raises(InvalidRequest, match=r"pool is 'gpu' by the worker's token, not 'cpu'"):
        await join(swarm, token, request(labels={"pool": "cpu"}))

    await join(swarm, token, request(labels={"pool": "gpu", "arch": "arm"}))


async def test_tokens_of_all_kinds_survive_a_restart_of_the_server(swarm: EngineHarness) -> None:
    token = await make(
        swarm, terms=join_terms(Role.WORKER, valid_s=DAY_S, labels={"pool": "gpu"}, max_uses=5)
    )
    credential = await join(swarm, token, request())

    await swarm.swarm.db.read(swarm.swarm.tokens.load)

    assert swarm.swarm.tokens.verify(text_of(credential)) == credential
    assert swarm.swarm.tokens.verify_join(token.text).uses == 1


async def test_ordinary_tokens_expire_with_their_streams_and_a_clock_set_back_revives_them(
    swarm: EngineHarness,
) -> None:
    token = await make(swarm, Role.VIEWER, terms=ordinary_terms(valid_s=60))
    ended: list[str] = []
    swarm.swarm.tokens.on_revoked = ended.append
    assert swarm.swarm.tokens.verify(token.text).role is Role.VIEWER
    swarm.swarm.tokens.end_expired()
    assert ended == []

    swarm.clock.pass_s(60)

    with pytest.raises(TokenExpired, match="has expired"):
        swarm.swarm.tokens.verify(token.text)
    assert swarm.swarm.tokens.find(token.record.token_id) is None
    swarm.swarm.tokens.end_expired()
    assert ended == [token.record.token_id]
    swarm.clock.wall_offset_us = -3_600 * 1_000_000
    assert swarm.swarm.tokens.verify(token.text).role is Role.VIEWER


async def test_credentials_that_nobody_uses_are_forgotten_and_those_of_present_workers_are_not(
    swarm: EngineHarness,
) -> None:
    token = await make(swarm, terms=join_terms(Role.WORKER, valid_s=365 * DAY_S, labels={}, max_uses=0))
    gone = await join(swarm, token, request("gone"))
    here = await join(swarm, token, request("here"))
    await swarm.worker("here", instance=here.instance)
    swarm.clock.pass_s(joining.FORGET_AFTER_US / 1e6 + 1)

    await join(swarm, token, request("new"))

    with pytest.raises(TokenInvalid):
        swarm.swarm.tokens.verify(text_of(gone))
    assert swarm.swarm.tokens.verify(text_of(here)) == here
    assert (await listed(swarm, token.record.token_id)).uses == 3


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"credential_id": "ABC"}, "12 hexadecimal digits"),
        ({"secret_hash": b"short"}, "32 bytes"),
    ],
)
async def test_malformed_credentials_are_refused(
    swarm: EngineHarness, given: dict[str, Any], fault: str
) -> None:
    token = await make(swarm)

    with pytest.raises(InvalidRequest, match=fault):
        await join(swarm, token, request(**given))


@pytest.mark.parametrize(
    ("role", "terms", "fault"),
    [
        (Role.VIEWER, {}, "is for the role worker, not viewer"),
        (Role.WORKER, {"max_uses": -1}, "must be from 1 to 1,000,000"),
        (Role.WORKER, {"valid_s": 0.5}, "from a second to ten years"),
        (Role.WORKER, {"labels": {"": "x"}}, "up to 256 characters"),
        (Role.WORKER, {"labels": {str(number): "x" for number in range(65)}}, "binds 64 at most"),
    ],
)
def test_terms_out_of_range_are_refused(role: Role, terms: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        join_terms(role, **({"valid_s": None, "labels": {}, "max_uses": 1} | terms))
