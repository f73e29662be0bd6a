"""An agent's envelope counts only if it is the only one."""

import json
from pathlib import Path

import pytest

from swarm_worker.domain.model import FailureClass, Task
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.envelope import EnvelopeReader
from swarm_worker.runners.reader import Report

USED = OutputLine('{"method":"usage","params":{"inputTokens":10,"outputTokens":5}}')


def envelope(reply: str) -> str:
    return json.dumps({"protocolVersion": "0.3.0", "reply": reply, "error": None, "metadata": {}})


def report(root: Path, stdout: str) -> Report:
    reader = EnvelopeReader(SessionPlan(SessionId("s"), Role.VALIDATOR, Task("t", "{}"), "do", root))
    reader.stderr(USED)
    return reader.report(stdout, exit_code=0)


@pytest.mark.parametrize(
    "others", [[], [envelope("done")], ['{"reply": "from a tool"}'], ['{"status": 200}']]
)
def test_one_envelope_among_other_objects_is_read(tmp_path: Path, others: list[str]) -> None:
    found = report(tmp_path, "\n".join([*others, envelope("done"), *others]))

    assert (found.reply, found.failure) == ("done", None)


def test_two_envelopes_that_differ_are_refused(tmp_path: Path) -> None:
    for stdout in (envelope("no") + "\n" + envelope("yes"), envelope("yes") + "\n" + envelope("no")):
        found = report(tmp_path, stdout)

        assert found.reply == ""
        assert found.failure is not None
        assert found.failure.kind is FailureClass.AGENT_ERROR
        assert "2 envelopes that differ" in found.failure.error
