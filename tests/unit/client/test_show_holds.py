"""`swarmctl show`: the holds of a task; and the end of a run with holds."""

from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import FakeOperator
from swarmctl.render.blocks import Heading
from swarmctl.run.paths import RunPaths
from swarmctl.run.summary import FinishedRun, settling_hint, summary_blocks
from unit.client.conftest import Ctl, in_every_form

LONG = "Which of the two do you want to change: " + "the plan or the policy, " * 40
ASKED = Hold(
    hold_id="1-7", kind=HoldKind.HOLD_KIND_QUESTION, text=f"{LONG}\nSay why.", options=["the plan", "the policy"],
    attempt=2, since=Timestamp(seconds=1_800_000_000),
)  # fmt: skip
SETTLED = Hold(
    hold_id="1-3", kind=HoldKind.HOLD_KIND_QUESTION, text="Which port?", attempt=1, ended_by="kim", answer="8080",
    ended_at=Timestamp(seconds=1_790_000_000),
)  # fmt: skip


def held(task_id: str, hold: Hold = ASKED) -> Task:
    return Task(task_id=task_id, status=TaskStatus.TASK_STATUS_HELD, hold=hold)


def test_show_has_the_whole_question_with_the_command_that_settles_it(
    ctl: Ctl, operator: FakeOperator
) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(task=held("a"), holds=[SETTLED, ASKED])

    _, text = in_every_form(ctl, "show", "a")

    words = " ".join(text.split())
    assert f"{LONG.strip()} Say why. [1] the plan [2] the policy" in words
    assert "`swarmctl answer a --option N` settles it" in words
    assert "Which port? kim answered at 2026-09-21 14:13:20+00:00 8080" in words
    assert words.count("settles it") == 1


def test_show_tells_a_hold_that_lasts_from_one_that_ended(ctl: Ctl, operator: FakeOperator) -> None:
    hold = Hold(hold_id="1-9", kind=HoldKind.HOLD_KIND_SUSPENDED, text="wait for the audit", held_by="kim")
    operator.answers["GetTask"] = wire.GetTaskResponse(task=held("a", hold), holds=[hold])
    _, lasting = in_every_form(ctl, "show", "a")
    hold.ended_by = "ada"
    hold.ended_at.FromSeconds(1_790_000_000)
    operator.answers["GetTask"] = wire.GetTaskResponse(task=Task(task_id="a"), holds=[hold])
    _, ended = in_every_form(ctl, "show", "a")

    assert "wait for the audit `swarmctl unhold a` settles it" in " ".join(lasting.split())
    assert "ended at 2026-09-21 14:13:20+00:00 by ada" in " ".join(ended.split())
    assert "settles it" not in ended


def test_the_end_of_a_run_counts_what_waits() -> None:
    one, two = ([held(task_id) for task_id in ids] for ids in ("a", "ab"))

    assert Heading("1 task waits for a person") in summary_blocks(FinishedRun(one, Usage(), 1.0))
    assert Heading("2 tasks wait for a person") in summary_blocks(FinishedRun(two, Usage(), 1.0))


def test_the_hint_names_the_token_of_a_database_that_no_project_leads_to() -> None:
    hint = settling_hint(RunPaths(Path("/a b/swarm.db")))

    assert "`swarmd --db '/a b/swarm.db'`" in hint
    assert "`--token-file '/a b/token'`" in hint
