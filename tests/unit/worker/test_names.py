"""Session ids are within the grammar, and no two sessions share one."""

import re

import pytest

from swarm_worker.domain.model import Assignment, Task
from swarm_worker.domain.names import check_id, host_part, is_worker_name, session_id
from swarm_worker.domain.types import LeaseId, Role

GRAMMAR = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")


def _assignment(task_id: str, *, attempt: int = 1, epoch: int = 1) -> Assignment:
    return Assignment(Task(task_id, "{}"), LeaseId("lease"), attempt, epoch)


@pytest.mark.parametrize(
    "task_id", ["a", "2.6.1.a", "Build", "x" * 128, "A_b.C-d", "9", "x" * 57, "x" * 58, "x" * 60]
)
@pytest.mark.parametrize("attempt", [1, 999_999])
def test_every_task_id_makes_a_session_id_within_the_grammar(task_id: str, attempt: int) -> None:
    for role in Role:
        assert GRAMMAR.fullmatch(session_id(_assignment(task_id, attempt=attempt, epoch=12345), role))
    assert GRAMMAR.fullmatch(check_id(_assignment(task_id, attempt=attempt), 12))


def test_a_task_id_that_fits_is_kept_as_it_is() -> None:
    assert (
        session_id(_assignment("write-parser", attempt=2, epoch=3), Role.BUILDER)
        == "write-parser-a2-builder-3"
    )


def test_task_ids_that_look_alike_when_reduced_stay_apart() -> None:
    alike = ["a.b", "a_b", "A.b", "a-b", "a.B", "x" * 100, "x" * 101, "X" * 100]

    assert len({session_id(_assignment(task_id), Role.BUILDER) for task_id in alike}) == len(alike)


def test_d9_builder_and_validator_of_every_attempt_have_ids_of_their_own() -> None:
    ids = [
        session_id(_assignment("t", attempt=attempt, epoch=epoch), role)
        for attempt in (1, 2)
        for epoch in (1, 2)
        for role in Role
    ] + [session_id(_assignment("t"), Role.VALIDATOR, run=run) for run in (2, 3)]

    assert len(set(ids)) == len(ids)


def test_the_host_s_name_is_reduced_to_a_valid_worker_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("plain", "pod_1.cluster.local", "-odd-", "\u00fcber", "h" * 300, "..."):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)

        assert is_worker_name(f"{host_part()}-1")


def test_a_validator_that_is_run_again_has_an_id_of_its_own() -> None:
    assert session_id(_assignment("t", attempt=4, epoch=7), Role.VALIDATOR, run=2) == "t-a4-validator2-7"
