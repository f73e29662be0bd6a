"""`swarmctl artifacts` and `get`: names as data, files whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from amplifier_swarm.v1 import operator_service_pb2 as wire
from support.operator import FakeOperator
from unit.client.conftest import Ctl

CONTENT = b"\x00content\xff"
NAME = "shots/\x1b[2J\u202eodd.png"


def artifact(**fields: object) -> wire.Artifact:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    made = {"attempt": 2, "name": NAME, "size": len(CONTENT), "sha256": sha256}
    return wire.Artifact(**(made | fields))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _answers(operator: FakeOperator) -> None:
    operator.answers |= {
        "ListArtifacts": wire.ListArtifactsResponse(artifacts=[artifact(), artifact(name="gone", lost=True)]),
        "GetArtifact": [
            wire.GetArtifactResponse(artifact=artifact()),
            wire.GetArtifactResponse(chunk=CONTENT[:3]),
            wire.GetArtifactResponse(chunk=CONTENT[3:]),
        ],
    }


def test_a_list_shows_names_harmlessly_and_marks_what_is_lost(ctl: Ctl) -> None:
    result = ctl("artifacts", "t")

    assert result.code == 0
    assert "shots/\\x1b[2J\\u202eodd.png" in result.out
    assert "\x1b" not in result.out
    assert result.out.splitlines()[2].split()[1:3] == ["gone", "9"]
    assert result.out.splitlines()[2].endswith("lost")


def test_an_empty_list_says_so(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["ListArtifacts"] = wire.ListArtifactsResponse()

    assert ctl("artifacts", "t").out.strip() == "No artifact is stored."


def test_a_file_is_written_with_its_own_name_or_a_given_one(
    ctl: Ctl, operator: FakeOperator, tmp_path: Path
) -> None:
    assert ctl("get", "t", "a/b.bin", "--attempt", "2").code == 0
    assert (tmp_path / "b.bin").read_bytes() == CONTENT
    assert operator.asked("GetArtifact") == [wire.GetArtifactRequest(task_id="t", name="a/b.bin", attempt=2)]

    again = ctl("get", "t", "a/b.bin")
    assert (again.code, again.err) == (
        2,
        "swarmctl: b.bin exists; pass a FILE to write to; that is replaced\n",
    )
    assert ctl("get", "t", "a/b.bin", "b.bin").code == 0


def test_a_damaged_content_leaves_no_file(ctl: Ctl, operator: FakeOperator, tmp_path: Path) -> None:
    operator.answers["GetArtifact"] = [
        wire.GetArtifactResponse(artifact=artifact()),
        wire.GetArtifactResponse(chunk=b"other"),
    ]

    result = ctl("get", "t", "a", "out")

    assert result.code == 1
    assert "was damaged" in result.err
    assert list(tmp_path.iterdir()) == []
