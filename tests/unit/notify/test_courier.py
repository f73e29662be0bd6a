"""The child in which Apprise runs: known addresses, answers, and every way to lose it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from amplifier_swarm.exits import ProgramExit
from support.waiting import eventually
from support.webhook import Webhook, webhook
from swarmd.notify import sender as couriers
from swarmd.notify.digest import Message
from swarmd.notify.sender import AppriseSender, courier
from swarmd.notify.targets import Target, read_targets

pytestmark = pytest.mark.slow
HELLO = Message("Title", "body", "warning")


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


@pytest.fixture
def target(hook: Webhook) -> Target:
    return read_targets([hook.url])[0]


@pytest.fixture
async def sender(target: Target) -> AsyncIterator[AppriseSender]:
    async with courier([target]) as found:
        yield found


async def test_a_message_is_taken_or_not(hook: Webhook, target: Target, sender: AppriseSender) -> None:
    assert await sender.send(target, HELLO)
    hook.status = 500
    assert not await sender.send(target, HELLO)

    [message] = hook.received
    assert (message["title"], message["message"], message["type"]) == ("Title", "body", "warning")


async def test_a_child_that_is_gone_is_replaced(hook: Webhook, target: Target, sender: AppriseSender) -> None:
    hook.open.clear()
    sending = asyncio.create_task(sender.send(target, HELLO))
    await eventually(lambda: hook.callers, "it is being sent")
    assert sender._process is not None
    sender._process.kill()

    assert not await sending
    hook.open.set()
    assert await sender.send(target, HELLO)


async def test_a_target_that_never_answers_is_given_up(
    hook: Webhook, target: Target, sender: AppriseSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "SEND_WITHIN_S", 0.2)
    hook.open.clear()

    assert not await sender.send(target, HELLO)

    assert sender._process is not None
    await sender._process.wait()


async def test_an_address_that_apprise_does_not_know_is_refused_without_showing_it(
    target: Target, capfd: pytest.CaptureFixture[str]
) -> None:
    targets = read_targets([target.url, "carrierpigeon://T0KEN/s3cret"])

    with pytest.raises(ProgramExit) as caught:
        async with courier(targets):
            pass

    assert caught.value.line("swarmd") == (
        "swarmd: --notify 2 is no address that Apprise knows (carrierpigeon://…); "
        "see the list of services in Apprise's documentation"
    )
    assert capfd.readouterr() == ("", "")


async def test_without_apprise_the_line_says_what_to_install(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "find_spec", lambda _: None)

    with pytest.raises(ProgramExit) as caught:
        async with courier([target]):
            pass

    assert (
        caught.value.line("swarmd") == "swarmd: --notify needs apprise; pip install 'amplifier-swarm[notify]'"
    )


async def test_nobody_to_tell_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "find_spec", lambda _: None)

    async with courier([]) as found:
        assert found._process is None
