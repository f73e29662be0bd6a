"""`swarmctl show`: what a task waits for, and what people have said about it; and the end of a run with holds."""

from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind, Note
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from support.operator import FakeOperator
from swarmctl.render.blocks import Heading
from swarmctl.run.paths import RunPaths
from swarmctl.run.summary import settling_hint, summary_blocks
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


def test_show_has_the_whole_question_with_its_options_and_what_people_said(
    ctl: Ctl, operator: FakeOperator
) -> None:
    operator.answers["GetTask"] = wire.GetTaskResponse(
        task=held("a"), holds=[SETTLED, ASKED], notes=[Note(text="Mind the tests.", author="ada")]
    )

    _, text = in_every_form(ctl, "show", "a")

    words = " ".join(text.split())
    assert "Held: question" in words
    assert f"{LONG.strip()} Say why. [1] the plan [2] the policy" in words
    assert "swarmctl answer a --option N" in words
    assert "Answered after attempt 1 Which port? answer 8080 by kim" in words
    assert "Answered after attempt 2" not in words
    assert "Notes - Mind the tests. (ada)" in words


def test_show_has_who_holds_a_task(ctl: Ctl, operator: FakeOperator) -> None:
    hold = Hold(hold_id="1-9", kind=HoldKind.HOLD_KIND_SUSPENDED, text="wait for the audit", held_by="kim")
    operator.answers["GetTask"] = wire.GetTaskResponse(task=held("a", hold), holds=[hold])

    _, text = in_every_form(ctl, "show", "a")

    words = " ".join(text.split())
    assert "Held: suspended wait for the audit" in words
    assert "by kim" in words
    assert "swarmctl unhold a" in words


def test_the_end_of_a_run_counts_what_waits() -> None:
    one, two = ([held(task_id) for task_id in ids] for ids in ("a", "ab"))

    assert Heading("1 task waits for a person") in summary_blocks(one)
    assert Heading("2 tasks wait for a person") in summary_blocks(two)


def test_the_hint_names_the_token_of_a_database_that_no_project_leads_to() -> None:
    hint = settling_hint(RunPaths(Path("/a b/swarm.db")))

    assert "`swarmd --db '/a b/swarm.db'`" in hint
    assert "`--token-file '/a b/token'`" in hint
