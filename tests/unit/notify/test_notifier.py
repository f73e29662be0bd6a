"""What is told, when, and how often: over restarts, bursts and targets that fail."""

import asyncio
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
from unit.notify.conftest import Inbox, Post, posting


async def test_a_task_that_failed_for_good_is_told_with_its_name_and_cause(post: Post) -> None:
    await post.on.add(task("a", name="Build it", max_retries=0), task("b"))
    worker = await post.on.worker()

    await worker.fail("a")
    await post.until_told(1)

    [message] = post.inbox.messages
    assert message.title == "Amplifier Swarm on box: a failed"
    assert message.body == "Task a (Build it) failed at attempt 1: agent_error: agent_error happened"
    assert message.kind == "warning"


async def test_an_attempt_that_is_followed_by_another_is_not_told(post: Post) -> None:
    await post.on.add(task("a", max_retries=1))
    worker = await post.on.worker()
    await worker.fail("a")
    await post.on.after_backoff()

    await worker.complete("a")
    await post.until_told(1)

    assert post.inbox.bodies() == ["Nothing is left to do: 1 completed"]
    assert post.inbox.titles() == ["finished"]


async def test_the_end_is_told_with_how_it_went(post: Post) -> None:
    await post.on.add(task("a", max_retries=0), task("b", "a"), task("c"))
    worker = await post.on.worker(slots=2)
    await worker.complete("c")

    await worker.fail("a")
    await post.until_told(1)

    assert post.inbox.titles() == ["2 things happened"]
    assert post.inbox.bodies()[0].endswith("Nothing is left to do: 1 completed, 1 failed, 1 skipped")


async def test_each_topic_has_its_words(post: Post) -> None:
    swarm = post.on.swarm
    late = partial(events.append, kind=EventKind.RESULT_ARCHIVED, cause="completed came too late")
    for happen in (
        partial(events.append, kind=EventKind.WORKER_LOST, worker="w1", cause="silent for 1800 s"),
        partial(events.append, kind=EventKind.RUNNER_PAUSED, cause="amplifier-agent: no credit"),
        partial(events.append, kind=EventKind.EXPIRY_PAUSED, cause="3 of 4 workers are silent"),
        partial(late, task_id="x", status="failed"),
        partial(late, task_id="y", status="completed"),
    ):
        await swarm.db.write(happen)
    await swarm.db.write(partial(swarm.kills.emergency_stop, cause="smoke"), urgent=True)
    await post.until_told(1)

    assert sorted(post.inbox.bodies()[0].splitlines()) == [
        "A completed result of task x came too late; `swarmctl accept x --attempt 0` lets it count",
        "A runner is paused: amplifier-agent: no credit; mend that, then `swarmctl resume`",
        "Emergency stop in force: smoke",
        "Most workers fell silent at once: 3 of 4 workers are silent; nobody is given up until they are heard again",
        "Worker w1 is lost: silent for 1800 s",
    ]


async def test_a_filter_keeps_the_rest_away(tmp_path: Path, inbox: Inbox) -> None:
    async with posting(tmp_path / "swarm.db", inbox, "#events=finished") as post:
        await post.on.add(task("a", max_retries=0))
        await (await post.on.worker()).fail("a")
        await post.until_told(1)

    assert inbox.titles() == ["finished, but not everything is completed"]


async def test_a_new_target_is_not_told_what_was_before(tmp_path: Path, inbox: Inbox) -> None:
    async with posting(tmp_path / "swarm.db", Inbox(), "/other") as post:
        await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker="w1"))

    async with posting(tmp_path / "swarm.db", inbox) as post:
        await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker="w2"))
        await post.until_told(1)

    assert inbox.titles() == ["worker w2 is lost"]


async def test_a_restart_neither_loses_nor_repeats(tmp_path: Path, inbox: Inbox) -> None:
    path = tmp_path / "swarm.db"
    for life in range(4):
        inbox.broken = life == 1
        async with posting(path, inbox) as post:
            for number in range(2):
                name = f"w{life}{number}"
                await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker=name))

    told = "\n".join(inbox.bodies()).splitlines()
    assert told == [f"Worker w{life}{number} is lost" for life in range(4) for number in range(2)]
    # What could not be told in its own life came with the next.
    assert len(inbox.messages) == 3


async def test_a_burst_is_one_message_that_counts_what_it_leaves_out(post: Post) -> None:
    def burst(tx: Tx) -> None:
        for number in range(1_200):
            events.append(tx, EventKind.TASK_FAILED, task_id=f"t{number}", attempt=1)
        events.append(tx, EventKind.WORKER_LOST, worker="w1")

    await post.on.swarm.db.write(burst)
    await post.until_told(1)

    assert post.inbox.titles() == ["1201 things happened"]
    lines = post.inbox.bodies()[0].splitlines()
    assert lines[0] == "Task t0 failed at attempt 1"
    assert lines[-2:] == ["Worker w1 is lost", "and 1191 more; `swarmctl events` has them all"]
    assert len(lines) == 11


async def test_a_target_gets_no_more_than_a_message_in_ten_seconds(post: Post) -> None:
    sent_s: list[float] = []
    post.inbox.seen = lambda: sent_s.append(post.on.clock.monotonic_s())
    for number in range(3):
        await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker=f"w{number}"))
        await post.until_told(number + 1)

    assert all(later - earlier >= GAP_S for earlier, later in pairwise(sent_s))


async def test_the_same_is_not_said_twice_within_minutes(post: Post) -> None:
    async def lose(worker: str) -> None:
        await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker=worker))

    await lose("w1")
    await post.until_told(1)
    await lose("w1")
    await lose("w2")
    await post.until_told(2)
    post.on.clock.pass_s(REPEAT_AFTER_S)
    await lose("w1")
    await post.until_told(3)

    assert post.inbox.bodies() == ["Worker w1 is lost", "Worker w2 is lost", "Worker w1 is lost"]


async def test_a_target_that_fails_is_tried_again_and_gets_all_in_one(post: Post) -> None:
    post.inbox.broken = True
    for number in range(2):
        await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker=f"w{number}"))
    await post.until(lambda: post.inbox.tries >= 3, "it has been tried three times")
    post.inbox.broken = False
    await post.until_told(1)

    assert post.inbox.bodies() == ["Worker w0 is lost\nWorker w1 is lost"]


async def test_a_target_that_hangs_holds_up_neither_writes_nor_the_end(tmp_path: Path, inbox: Inbox) -> None:
    inbox.stuck = asyncio.Event()
    async with posting(tmp_path / "swarm.db", inbox) as post:
        await post.on.swarm.db.write(partial(events.append, kind=EventKind.WORKER_LOST, worker="w1"))
        await post.until(lambda: inbox.tries, "it hangs")
        await post.on.add(task("a"))
        await post.notifier.close(0.05)

        # It may have it or not, so it gets it again.
        seq = await post.on.swarm.db.read(
            lambda tx: feed_cursors.last_seq(tx, next(iter(feed_cursors.list_all(tx))))
        )
        assert seq == 1


async def test_what_happened_just_before_the_end_is_still_told(tmp_path: Path, inbox: Inbox) -> None:
    async with posting(tmp_path / "swarm.db", inbox) as post:
        await post.on.add(task("a"))
        await (await post.on.worker()).complete("a")

    assert inbox.titles() == ["finished"]


HOSTILE = (
    "<!channel> @here `x` *y* \x1b[31m\u202e key sk-ant-api03-abcdefghijklmnop\nsecond line " + "z" * 500
)


async def test_hostile_text_is_tame_masked_cut_and_on_one_line(post: Post) -> None:
    await post.on.add(task("a", name=HOSTILE.partition("\x1b")[0], max_retries=0))
    worker = await post.on.worker()
    claim = await worker.claim("a")
    await worker.start(claim)
    await worker.finish(claim, outcome("failed", failure="agent_error", error=HOSTILE))
    await post.until_told(1)

    first, *rest = post.inbox.bodies()[0].splitlines()
    assert rest == ["Nothing is left to do: 1 failed"]
    assert len(first) < 400
    for bad in ("<", ">", "@", "`", "*", "\x1b", "\u202e", "sk-ant"):
        assert bad not in first
    assert "[secret]" in first


@pytest.mark.parametrize("closed_first", [True, False])
async def test_it_ends_whether_the_feed_has_ended_or_not(
    tmp_path: Path, inbox: Inbox, *, closed_first: bool
) -> None:
    async with posting(tmp_path / "swarm.db", inbox) as post:
        feed: Wakeups = post.on.swarm.feed
        if closed_first:
            feed.close()
        await post.notifier.close(10.0)
        assert post.notifier._task is not None
        assert post.notifier._task.done()
