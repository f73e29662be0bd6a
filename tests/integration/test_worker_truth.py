"""A real worker never counts work that was not done, and never redoes a builder that is not at fault."""

import json

import pytest

from amplifier_swarm.v1 import session_pb2, task_pb2
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of

pytestmark = pytest.mark.slow

PASS = """echo '{"verdict": "PASS"}'"""
BLOCKED = json.dumps({"status": "blocked", "blockers": ["no database password"]})


def _roles(fake: FakeSwarm) -> list[str]:
    return [session_pb2.SessionRole.Name(start.role).removeprefix("SESSION_ROLE_") for start in fake.starts]


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (BLOCKED, "the builder reports 'blocked': no database password"),
        ('{"status": "partial", "implementation_notes": "half"}', "the builder reports 'partial': half"),
        ('{"status": "completed", "tests_passed": false}', "the builder reports that tests fail"),
        ('{"status": "completed", "blockers": ["no key"]}', "the builder reports blockers: no key"),
    ],
)
async def test_a_builder_that_denies_success_completes_nothing_and_no_validator_is_paid(
    fake: FakeSwarm, worker: WorkerProcess, said: str, error: str, *, validate: bool
) -> None:
    worker.start(builder=worker.script("b.sh", f"echo '{said}'"), validator=worker.script("v.sh", PASS))

    outcome = await outcome_of(fake, worker, claim("t1", validate=validate, checks=["touch checked"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_BUILDER_BLOCKED
    assert outcome.error == error
    assert outcome.builder_result.status in said
    assert _roles(fake) == ["BUILDER"]
    assert not (worker.project / "checked").exists()


async def test_a_builder_that_names_blockers_is_blocked_whatever_its_exit_code(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(builder=worker.script("b.sh", f"echo '{BLOCKED}'; exit 1"), validator="true")

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_BUILDER_BLOCKED
    assert outcome.error.startswith(
        "the builder reports 'blocked': no database password; the builder's command"
    )


@pytest.mark.parametrize(
    ("body", "failure", "error"),
    [
        (
            "echo model not found >&2; exit 1",
            task_pb2.FAILURE_CLASS_VALIDATOR_FAILED,
            "exited with 1: model not found",
        ),
        ("true", task_pb2.FAILURE_CLASS_VALIDATOR_FAILED, "it printed nothing"),
        ("kill -KILL $$", task_pb2.FAILURE_CLASS_VALIDATOR_FAILED, "the validator was ended by SIGKILL"),
        (f"{PASS}; echo but no tests ran", task_pb2.FAILURE_CLASS_NO_VERDICT, "text follows the verdict"),
    ],
)
async def test_a_validator_that_fails_by_itself_is_run_again_alone_and_the_builder_never(
    fake: FakeSwarm, worker: WorkerProcess, body: str, failure: int, error: str
) -> None:
    worker.start(builder="true", validator=worker.script("v.sh", body))

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.failure_class == failure
    assert outcome.error.startswith("the validator gave no verdict in 3 runs: ")
    assert error in outcome.error
    assert not outcome.HasField("verdict")
    assert _roles(fake) == ["BUILDER", *["VALIDATOR"] * 3]


@pytest.mark.parametrize(
    ("check", "error"),
    [
        ("bash: ls", "bash:"),
        ("pytset -q", "pytset"),
        ("if true; then", "yntax error"),
        ("echo 'half", "nterminated"),
    ],
)
async def test_a_check_that_can_t_start_is_a_fault_of_the_plan(
    fake: FakeSwarm, worker: WorkerProcess, check: str, error: str
) -> None:
    worker.start(builder="true", validator="true")

    outcome = await outcome_of(fake, worker, claim("t1", checks=["true", check]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_BAD_CHECK
    assert outcome.error.startswith(f"check 2 of 2 can't start: `{check}`: ")
    assert error in outcome.error
    assert "checks run with /bin/sh; correct the plan" in outcome.error
    assert len(outcome.checks) == 2
    assert _roles(fake) == ["BUILDER"]


@pytest.mark.parametrize("check", ["./made-by-the-builder.sh", "sh -c 'exit 2'", "exit 126", "cat missing"])
async def test_a_check_that_a_builder_can_make_pass_is_a_failed_check(
    fake: FakeSwarm, worker: WorkerProcess, check: str
) -> None:
    worker.start(builder="true", validator="true")

    outcome = await outcome_of(fake, worker, claim("t1", checks=[check]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert len(outcome.verdict.findings) == 1


async def test_a_builder_that_only_repeats_a_line_is_stalled(fake: FakeSwarm, worker: WorkerProcess) -> None:
    keepalive = """{"method":"progress","params":{"message":"waiting"}}"""
    body = f"while :; do echo '{keepalive}' >&2; sleep 0.1; done"
    worker.start("--stall-timeout", "1", builder=worker.script("b.sh", body), validator="true")

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_STALLED
    assert outcome.error == "the builder was repeating itself, with nothing new for 1 s"
