"""The Apprise process: known addresses, answers, and every way to lose the process."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from amplifier_swarm.exits import ProgramExit
from support.waiting import eventually
from support.webhook import Webhook, webhook
from swarmd.notify import sender as sender_module
from swarmd.notify.digest import Message
from swarmd.notify.sender import AppriseSender, run_sender
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
    async with run_sender([target]) as found:
        yield found


async def test_a_send_reports_if_the_target_took_the_message(
    hook: Webhook, target: Target, sender: AppriseSender
) -> None:
    assert await sender.send(target, HELLO)
    hook.status = 500
    assert not await sender.send(target, HELLO)

    [message] = hook.received
    assert (message["title"], message["message"], message["type"]) == ("Title", "body", "warning")


async def test_a_process_that_died_is_replaced(hook: Webhook, target: Target, sender: AppriseSender) -> None:
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
    monkeypatch.setattr(sender_module, "SEND_WITHIN_S", 0.2)
    hook.open.clear()

    assert not await sender.send(target, HELLO)

    assert sender._process is not None
    await sender._process.wait()


async def test_an_address_that_apprise_does_not_know_is_refused_without_showing_it(
    target: Target, capfd: pytest.CaptureFixture[str]
) -> None:
    targets = read_targets([target.url, "carrierpigeon://T0KEN/s3cret"])

    with pytest.raises(ProgramExit) as caught:
        async with run_sender(targets):
            pass

    assert caught.value.line("swarmd") == (
        "swarmd: --notify 2 is not an address that Apprise knows (carrierpigeon://…); "
        "see the list of services in Apprise's documentation"
    )
    assert capfd.readouterr() == ("", "")


async def test_without_apprise_the_line_says_what_to_install(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "find_spec", lambda _: None)

    with pytest.raises(ProgramExit) as caught:
        async with run_sender([target]):
            pass

    assert (
        caught.value.line("swarmd") == "swarmd: --notify needs apprise; pip install 'amplifier-swarm[notify]'"
    )


async def test_without_targets_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "find_spec", lambda _: None)

    async with run_sender([]) as found:
        assert found._process is None


async def test_modules_of_the_current_folder_are_not_run(
    hook: Webhook, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("logging", "json", "threading", "apprise", "requests"):
        (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'owned')!r}, 'w')\nraise SystemExit\n")
    monkeypatch.chdir(tmp_path)

    async with run_sender([target]) as sender:
        assert await sender.send(target, HELLO)

    assert not (tmp_path / "owned").exists()


async def test_a_process_that_ends_at_once_is_not_taken_for_a_good_one(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "_CHILD", (sys.executable, "-I", "-c", "raise SystemExit(3)"))

    with pytest.raises(ProgramExit) as caught:
        async with run_sender([target]):
            pass

    assert caught.value.line("swarmd") == (
        "swarmd: the process that sends notifications does not start: it ended with 3; "
        "try `python -P -m swarmd.notify.apprise_process`, or leave out --notify"
    )


async def test_a_process_that_does_not_start_again_takes_no_message(
    target: Target, sender: AppriseSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sender._process is not None
    sender._process.kill()
    await sender._process.wait()
    for child in ((sys.executable, "-I", "-c", ""), ("/no/such/program",)):
        monkeypatch.setattr(sender_module, "_CHILD", child)

        assert not await sender.send(target, HELLO)
    monkeypatch.undo()

    assert await sender.send(target, HELLO)
