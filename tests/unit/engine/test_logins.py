"""Login links that work once, and logins that end."""

from functools import partial
from pathlib import Path

import pytest

from support.engine import EngineHarness, engine_harness
from swarmd.domain.caller_errors import LoginExpired
from swarmd.domain.errors import DashboardOff
from swarmd.domain.model import Role
from swarmd.engine.auth.logins import CODE_S, LOGIN_S, MAX_CODES, NewLogin, cookie_of
from swarmd.store.tokens import TokenRecord


async def token(swarm: EngineHarness, role: Role = Role.OPERATOR) -> TokenRecord:
    create = partial(swarm.swarm.tokens.create, role=role, name="me")
    return (await swarm.swarm.db.write(create)).record


def code(swarm: EngineHarness, holder: TokenRecord) -> str:
    swarm.swarm.logins.url = "http://127.0.0.1:8765"
    link = swarm.swarm.logins.make_link(holder)
    assert link.startswith("http://127.0.0.1:8765/login?code=")
    return link.partition("=")[2]


async def new_login(swarm: EngineHarness, holder: TokenRecord, instead_of: str = "") -> NewLogin:
    return await swarm.swarm.db.write(partial(swarm.swarm.logins.log_in, token=holder, instead_of=instead_of))


async def log_in(swarm: EngineHarness, holder: TokenRecord, instead_of: str = "") -> str:
    return (await new_login(swarm, holder, instead_of)).cookie


async def test_a_code_works_once(swarm: EngineHarness) -> None:
    holder = await token(swarm, Role.VIEWER)
    found = code(swarm, holder)

    assert swarm.swarm.logins.redeem(found) == holder
    with pytest.raises(LoginExpired):
        swarm.swarm.logins.redeem(found)


async def test_a_code_works_for_a_minute(swarm: EngineHarness) -> None:
    holder = await token(swarm)
    early, late = code(swarm, holder), code(swarm, holder)

    swarm.clock.pass_s(CODE_S - 1)
    swarm.swarm.logins.redeem(early)
    swarm.clock.pass_s(1)

    with pytest.raises(LoginExpired):
        swarm.swarm.logins.redeem(late)


async def test_an_unknown_code_is_refused(swarm: EngineHarness) -> None:
    for guess in ("", "x", "0" * 32):
        with pytest.raises(LoginExpired):
            swarm.swarm.logins.redeem(guess)


async def test_codes_do_not_pile_up(swarm: EngineHarness) -> None:
    holder = await token(swarm)
    first, *_, last = [code(swarm, holder) for _ in range(MAX_CODES + 1)]

    with pytest.raises(LoginExpired):
        swarm.swarm.logins.redeem(first)
    swarm.swarm.logins.redeem(last)


async def test_without_a_dashboard_there_is_no_link(swarm: EngineHarness) -> None:
    with pytest.raises(DashboardOff):
        swarm.swarm.logins.make_link(await token(swarm))


async def test_a_login_ends_by_itself_and_is_not_kept(swarm: EngineHarness) -> None:
    holder = await token(swarm)
    cookie = await log_in(swarm, holder)

    swarm.clock.pass_s(LOGIN_S - 1)
    assert swarm.swarm.logins.find(cookie) is not None
    swarm.clock.pass_s(1)
    assert swarm.swarm.logins.find(cookie) is None
    await log_in(swarm, holder)
    assert await swarm.swarm.db.read(lambda tx: len(tx.all("login_all"))) == 1


async def test_a_login_ends_with_its_token_and_with_the_next_login_and_with_a_logout(
    swarm: EngineHarness,
) -> None:
    logins, holder = swarm.swarm.logins, await token(swarm)
    first = await log_in(swarm, holder)
    second = await log_in(swarm, holder, instead_of=first)
    third = await log_in(swarm, holder)
    assert logins.find(first) is None

    await swarm.swarm.db.write(partial(logins.log_out, secret=third))
    assert (logins.find(second) is None, logins.find(third) is None) == (False, True)
    await swarm.swarm.db.write(partial(swarm.swarm.tokens.revoke, token_id=holder.token_id))
    assert logins.find(second) is None


async def test_a_code_of_a_token_that_was_revoked_is_refused(swarm: EngineHarness) -> None:
    holder = await token(swarm)
    found = code(swarm, holder)

    await swarm.swarm.db.write(partial(swarm.swarm.tokens.revoke, token_id=holder.token_id))

    with pytest.raises(LoginExpired):
        swarm.swarm.logins.redeem(found)


async def test_a_login_outlives_the_server_and_the_database_alone_lets_nobody_in(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("swarm.db", "swarm.db-wal")]
    async with engine_harness(tmp_path / "swarm.db") as first:
        login = await new_login(first, await token(first))
        cookie = login.cookie
        found = first.swarm.logins.find(cookie)
        assert found is not None
        stored = b"".join(file.read_bytes() for file in files)
    assert cookie.encode() not in stored
    assert login.csrf.encode() not in stored
    async with engine_harness(tmp_path / "swarm.db", clock=first.clock) as second:
        assert second.swarm.logins.find(cookie) == found


async def test_the_csrf_token_gives_the_cookie_and_not_the_other_way_round(swarm: EngineHarness) -> None:
    login = await new_login(swarm, await token(swarm))

    assert cookie_of(login.csrf) == login.cookie
    assert cookie_of(login.cookie) != login.csrf
    assert len({login.csrf, login.cookie, (await new_login(swarm, await token(swarm))).csrf}) == 3


async def test_the_csrf_token_of_a_login_by_a_link_is_handed_over_once_and_soon(swarm: EngineHarness) -> None:
    logins, holder = swarm.swarm.logins, await token(swarm)
    first, late, kept = [await new_login(swarm, holder) for _ in range(3)]
    logins.hold_csrf(first)
    logins.hold_csrf(late)

    assert logins.hand_over_csrf(first.cookie) == first.csrf
    assert logins.hand_over_csrf(first.cookie) == ""
    assert logins.hand_over_csrf(kept.cookie) == ""
    swarm.clock.pass_s(CODE_S)
    assert logins.hand_over_csrf(late.cookie) == ""
