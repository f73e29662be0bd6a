"""The rule of session ids, which worker and server each implement."""

import random
from typing import Any, cast

import pytest

from swarm_worker.domain import names
from swarm_worker.domain.types import Role
from swarmd.domain.model import AttemptKey, Lease, TaskId, TaskKey, WorkerName
from swarmd.domain.session_ids import belongs_to, is_session_id

ALPHABET = "abz09AZ._-"


def lease(task_id: str, number: int = 3, epoch: int = 7) -> Lease:
    return Lease(AttemptKey(1), TaskKey(1), TaskId(task_id), number, epoch, WorkerName("w"), b"")


def made(task_id: str, role: Role, run: int, number: int = 3, epoch: int = 7) -> str:
    task = type("Task", (), {"id": task_id})
    assignment = type("Assignment", (), {"task": task, "attempt": number, "epoch": epoch})
    return names.session_id(cast("Any", assignment), role, run=run)


@pytest.mark.parametrize("seed", range(50))
def test_the_server_knows_the_ids_that_workers_make(seed: int) -> None:
    rng = random.Random(seed)
    task_id = "t" + "".join(rng.choice(ALPHABET) for _ in range(rng.choice((0, 5, 40, 70, 127))))

    for role in Role:
        for run in (1, 2, 11):
            session_id = made(task_id, role, run)
            assert is_session_id(session_id)
            assert belongs_to(session_id, lease(task_id))
            assert not belongs_to(session_id, lease(task_id, number=4))
            assert not belongs_to(session_id, lease(task_id, epoch=8))
            assert not belongs_to(session_id, lease(task_id + "x"))


@pytest.mark.parametrize(
    "text", ["", "-a", "A", "a" * 82, "../../etc/passwd", "a\nb", "\x1b]0;x\x07", "<img>", "a_b", "é"]
)
def test_other_texts_are_no_session_ids(text: str) -> None:
    assert not is_session_id(text)
