"""The notifier: which notices are sent, when and how often, over restarts, bursts and failing targets."""

import asyncio
import errno
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from support.engine import outcome, task
from swarmd.engine.live.wakeups import Wakeups
from swarmd.notify.notifier import GAP_S, REPEAT_AFTER_S
from swarmd.store import events, feed_cursors
from swarmd.store.events import EventKind
from swarmd.store.transaction import Tx
from unit.notify.conftest import Inbox, NotifiedSwarm, notifying


async def test_a_failed_task_is_reported_with_its_name_and_cause(notified: NotifiedSwarm) -> None:
    await notified.on.add(task("a", name="Build it", max_retries=0), task("b"))
    worker = await notified.on.worker()

    await worker.fail("a")
    await notified.until_sent(1)

    [message] = notified.inbox.messages
    assert message.title == "Amplifier Swarm on box: a failed"
    assert message.body == "Task a (Build it) failed at attempt 1: agent_error: agent_error happened"
    assert message.kind == "warning"


async def test_an_attempt_that_is_retried_is_not_reported(notified: NotifiedSwarm) -> None:
    await notified.on.add(task("a", max_retries=1))
    worker = await notified.on.worker()
    await worker.fail("a")
    await notified.on.after_backoff()

    await worker.complete("a")
    await notified.until_sent(1)

    assert notified.inbox.bodies() == ["Nothing is left to do: 1 completed"]
    assert notified.inbox.titles() == ["finished"]


async def test_the_end_is_reported_with_counts(notified: NotifiedSwarm) -> None:
    await notified.on.add(task("a", max_retries=0), task("b", "a"), task("c"))
    worker = await notified.on.worker(slots=2)
    await worker.complete("c")

    await worker.fail("a")
    await notified.until_sent(1)

    assert notified.inbox.titles() == ["2 things happened"]
    assert notified.inbox.bodies()[0].endswith("Nothing is left to do: 1 completed, 1 failed, 1 skipped")


async def test_a_round_that_fails_does_not_end_the_notices(notified: NotifiedSwarm) -> None:
    notified.inbox.fault = OSError(errno.EMFILE, "Too many open files")
    await notified.on.add(task("a", max_retries=0))
    worker = await notified.on.worker()

    await worker.fail("a")
    await notified.until_sent(1)

    assert notified.inbox.tries == 2


async def test_each_topic_has_its_text(notified: NotifiedSwarm) -> None:
    swarm = notified.on.swarm
    late = partial(events.append, kind=EventKind.RESULT_ARCHIVED, cause="completed came too late")
    for happen in (
        partial(events.append, kind=EventKind.WORKER_LOST, worker="w1", cause="silent for 1800 s"),
        partial(events.append, kind=EventKind.RUNNER_PAUSED, cause="amplifier-agent: no credit"),
        partial(events.append, kind=EventKind.EXPIRY_PAUSED, cause="3 of 4 workers are silent"),
        partial(late, task_id="x", status="failed"),
        partial(late, task_id="y", status="completed"),
    ):
        await swarm.db.write(happen)
    await swarm.db.write(partial(swarm.control.emergency_stop, cause="smoke"), urgent=True)
    await notified.until_sent(1)

    assert sorted(notified.inbox.bodies()[0].splitlines()) == [
        "A completed result of task x came too late; `swarmctl accept x --attempt 0` lets it count",
        "A runner is paused: amplifier-agent: no credit; mend that, then `swarmctl resume`",
        "Emergency stop in force: smoke",
        "Most workers fell silent at once: 3 of 4 workers are silent; nobody is given up until they are heard again",
        "Worker w1 is lost: silent for 1800 s",
    ]


async def test_a_filter_drops_other_topics(tmp_path: Path, inbox: Inbox) -> None:
    async with notifying(tmp_path / "swarm.db", inbox, "#events=finished") as notified:
        await notified.on.add(task("a", max_retries=0))
        await (await notified.on.worker()).fail("a")
        await notified.until_sent(1)

    assert inbox.titles() == ["finished, but not everything is completed"]


async def test_a_new_target_gets_no_earlier_events(tmp_path: Path, inbox: Inbox) -> None:
    async with notifying(tmp_path / "swarm.db", Inbox(), "/other") as notified:
        await notified.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker="w1"))

    async with notifying(tmp_path / "swarm.db", inbox) as notified:
        await notified.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker="w2"))
        await notified.until_sent(1)

    assert inbox.titles() == ["worker w2 is lost"]


async def test_a_restart_neither_loses_nor_repeats(tmp_path: Path, inbox: Inbox) -> None:
    path = tmp_path / "swarm.db"
    for life in range(4):
        inbox.broken = life == 1
        async with notifying(path, inbox) as notified:
            for number in range(2):
                name = f"w{life}{number}"
                await notified.on.swarm.db.write(
                    partial(events.append, kind=EventKind.WORKER_LOST, worker=name)
                )

    lines = "\n".join(inbox.bodies()).splitlines()
    assert lines == [f"Worker w{life}{number} is lost" for life in range(4) for number in range(2)]
    # Notices of a life whose target was broken came with the next life.
    assert len(inbox.messages) == 3


async def test_a_burst_is_one_message_that_counts_what_it_leaves_out(notified: NotifiedSwarm) -> None:
    def burst(tx: Tx) -> None:
        for number in range(1_200):
            events.append(tx, EventKind.TASK_FAILED, task_id=f"t{number}", attempt=1)
        events.append(tx, EventKind.WORKER_LOST, worker="w1")

    await notified.on.swarm.db.write(burst)
    await notified.until_sent(1)

    assert notified.inbox.titles() == ["1201 things happened"]
    lines = notified.inbox.bodies()[0].splitlines()
    assert lines[0] == "Task t0 failed at attempt 1"
    assert lines[-2:] == ["Worker w1 is lost", "and 1191 more; `swarmctl events` has them all"]
    assert len(lines) == 11


async def test_a_target_gets_no_more_than_a_message_in_ten_seconds(notified: NotifiedSwarm) -> None:
    sent_s: list[float] = []
    notified.inbox.seen = lambda: sent_s.append(notified.on.clock.monotonic_s())
    for number in range(3):
        await notified.on.swarm.db.write(
            partial(events.append, kind=EventKind.WORKER_LOST, worker=f"w{number}")
        )
        await notified.until_sent(number + 1)

    assert all(later - earlier >= GAP_S for earlier, later in pairwise(sent_s))


async def test_a_notice_is_not_repeated_within_minutes(notified: NotifiedSwarm) -> None:
    async def lose(worker: str) -> None:
        await notified.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker=worker))

    await lose("w1")
    await notified.until_sent(1)
    await lose("w1")
    await lose("w2")
    await notified.until_sent(2)
    notified.on.clock.pass_s(REPEAT_AFTER_S)
    await lose("w1")
    await notified.until_sent(3)

    assert notified.inbox.bodies() == ["Worker w1 is lost", "Worker w2 is lost", "Worker w1 is lost"]


async def test_a_target_that_fails_is_tried_again_and_gets_all_in_one(notified: NotifiedSwarm) -> None:
    notified.inbox.broken = True
    for number in range(2):
        await notified.on.swarm.db.write(
            partial(events.append, kind=EventKind.WORKER_LOST, worker=f"w{number}")
        )
    await notified.until(lambda: notified.inbox.tries >= 3, "it has been tried three times")
    notified.inbox.broken = False
    await notified.until_sent(1)

    assert notified.inbox.bodies() == ["Worker w0 is lost\nWorker w1 is lost"]


async def test_a_hanging_target_delays_neither_writes_nor_the_shutdown(tmp_path: Path, inbox: Inbox) -> None:
    inbox.stuck = asyncio.Event()
    async with notifying(tmp_path / "swarm.db", inbox) as notified:
        await notified.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker="w1"))
        await notified.until(lambda: inbox.tries, "it hangs")
        await notified.on.add(task("a"))
        await notified.notifier.close(0.05)

        # The target may have the message or not, so it gets the message again.
        seq = await notified.on.swarm.db.read(
            lambda tx: feed_cursors.last_seq(tx, next(iter(feed_cursors.list_all(tx))))
        )
        assert seq == 1


async def test_events_just_before_the_shutdown_are_still_sent(tmp_path: Path, inbox: Inbox) -> None:
    async with notifying(tmp_path / "swarm.db", inbox) as notified:
        await notified.on.add(task("a"))
        await (await notified.on.worker()).complete("a")

    assert inbox.titles() == ["finished"]


HOSTILE = (
    "<!channel> @here `x` *y* \x1b[31m\u202e key sk-ant-api03-abcdefghijklmnop\nsecond line " + "z" * 500
)


async def test_hostile_text_is_escaped_masked_cut_and_on_one_line(notified: NotifiedSwarm) -> None:
    await notified.on.add(task("a", name=HOSTILE.partition("\x1b")[0], max_retries=0))
    worker = await notified.on.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await worker.finish(claim, outcome("failed", failure="agent_error", error=HOSTILE))
    await notified.until_sent(1)

    first, *rest = notified.inbox.bodies()[0].splitlines()
    assert rest == ["Nothing is left to do: 1 failed"]
    assert len(first) < 400
    for bad in ("<", ">", "@", "`", "*", "\x1b", "\u202e", "sk-ant"):
        assert bad not in first
    assert "[secret]" in first


@pytest.mark.parametrize("closed_first", [True, False])
async def test_it_ends_whether_the_feed_has_ended_or_not(
    tmp_path: Path, inbox: Inbox, *, closed_first: bool
) -> None:
    async with notifying(tmp_path / "swarm.db", inbox) as notified:
        feed: Wakeups = notified.on.swarm.wakeups
        if closed_first:
            feed.close()
        await notified.notifier.close(10.0)
        assert notified.notifier._task is not None
        assert notified.notifier._task.done()
