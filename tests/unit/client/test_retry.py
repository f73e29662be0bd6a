"""`swarmctl retry`: what it says before it changes anything."""

from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.task_pb2 import Landing, RetryFrom, Task, TaskStatus
from support.operator import FakeOperator
from unit.client.conftest import Ctl


def test_a_dry_run_of_a_retry_says_what_becomes_of_the_work_and_of_what_built_on_it(
    ctl: Ctl, operator: FakeOperator
) -> None:
    landed = Landing(target="swarm/main", commit="0123456789abcdef")
    tasks = [
        Task(task_id="a", status=TaskStatus.TASK_STATUS_COMPLETED, attempt=2, landed=landed),
        Task(task_id="b", status=TaskStatus.TASK_STATUS_COMPLETED, attempt=1, kept_ref="refs/swarm/b/1"),
        Task(task_id="c", status=TaskStatus.TASK_STATUS_FAILED, attempt=3),
        Task(task_id="d", status=TaskStatus.TASK_STATUS_IN_PROGRESS),
    ]
    operator.answers["RetryTask"] = wire.RetryTaskResponse(
        tasks=tasks, dependents=2, dependent_ids=["x", "y"]
    )

    stays = "its work stays on swarm/main (0123456789ab), and the new work lands on top"

    result = ctl("retry", "a", "b", "c", "d", "--completed", "--with-dependents", "--dry-run")

    assert result.err.splitlines() == [
        f"swarmctl: a would run again, as attempt 3; {stays}",
        "swarmctl: b would run again, as attempt 2; its work stays on refs/swarm/b/1",
        "swarmctl: c would run again, as attempt 4",
        "swarmctl: d is in_progress and would be left alone",
        "swarmctl: 2 tasks that built on it would be put back: x, y",
        "swarmctl: nothing was changed",
    ]


def test_the_terms_of_a_retry_go_to_the_server(ctl: Ctl, operator: FakeOperator) -> None:
    operator.answers["RetryTask"] = wire.RetryTaskResponse()

    assert ctl("retry", "a", "--completed", "--with-dependents", "--from", "base").code == 0

    [request] = operator.asked("RetryTask")
    from_base = RetryFrom.RETRY_FROM_BASE
    terms = wire.RetryTerms(completed=True, with_dependents=True, retry_from=from_base)
    assert (request.terms, request.dry_run) == (terms, False)
