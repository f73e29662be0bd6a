"""`note` and `answer`: what they send, also from stdin."""

import io
import sys

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.hold_pb2 import Hold, HoldKind
from amplifier_swarm.v1.task_pb2 import Task
from support.operator import FakeOperator
from unit.client.conftest import Ctl

TEXT = "Use the blue one.\nNot the größte."


@pytest.fixture
def asking(operator: FakeOperator) -> FakeOperator:
    question = Hold(hold_id="1-7", kind=HoldKind.HOLD_KIND_QUESTION, text="Which one?")
    operator.answers |= {
        "GetTask": wire.GetTaskResponse(task=Task(task_id="a"), holds=[question]),
        "AnswerTask": wire.AnswerTaskResponse(task=Task(task_id="a")),
        "NoteTask": wire.NoteTaskResponse(task=Task(task_id="a")),
    }
    return operator


@pytest.mark.parametrize(("command", "method"), [("note", "NoteTask"), ("answer", "AnswerTask")])
def test_the_text_is_an_argument_or_stdin(
    ctl: Ctl, asking: FakeOperator, monkeypatch: pytest.MonkeyPatch, command: str, method: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))

    assert [ctl(command, "a", given).code for given in (TEXT, "-")] == [0, 0]
    assert [request.text for request in asking.asked(method)] == [TEXT, TEXT]


@pytest.mark.parametrize(("command", "method"), [("note", "NoteTask"), ("answer", "AnswerTask")])
def test_a_stdin_that_is_no_text_is_refused_in_one_line_and_nothing_is_sent(
    ctl: Ctl, asking: FakeOperator, monkeypatch: pytest.MonkeyPatch, command: str, method: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xffb")))

    result = ctl(command, "a", "-")

    assert (result.code, result.out) == (2, "")
    assert result.err == "<stdin>:1: not valid UTF-8 at byte 1; save the file as UTF-8\n"
    assert not asking.asked(method)
