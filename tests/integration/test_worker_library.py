"""A real worker that drives a stand-in of the library `amplifier_agent`; see test_worker_amplifier for all runners."""

import pytest

from amplifier_swarm.v1 import session_pb2, task_pb2
from fakes.swarm_server import claim, stop
from support.programs import alive
from support.standin_swarm import AGENT, LIBRARY, StandinSwarm

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("fault", "failure", "said"),
    [
        ("auth", task_pb2.FAILURE_CLASS_PROVIDER_DENIED, "swarmctl resume"),
        ("quota", task_pb2.FAILURE_CLASS_PROVIDER_DENIED, "credit balance is too low"),
        ("other_model", task_pb2.FAILURE_CLASS_PROVIDER_DENIED, "claude-sonnet-5-2026-09-01"),
        ("context", task_pb2.FAILURE_CLASS_AGENT_ERROR, "context_exceeded"),
        ("crash", task_pb2.FAILURE_CLASS_CRASHED, "SIGKILL"),
        ("exit", task_pb2.FAILURE_CLASS_AGENT_ERROR, "exited with 1"),
        ("lie", task_pb2.FAILURE_CLASS_AGENT_ERROR, "no evidence of work"),
        ("error_reply", task_pb2.FAILURE_CLASS_AGENT_ERROR, "no evidence of work"),
        ("tool_failures", task_pb2.FAILURE_CLASS_AGENT_ERROR, "declared but not there: a.py"),
    ],
)
async def test_a_failed_builder_is_reported_by_its_class(
    swarm: StandinSwarm, fault: str, failure: task_pb2.FailureClass.ValueType, said: str
) -> None:
    swarm.faults(builder=(fault,))
    swarm.start(LIBRARY)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == failure, outcome.error
    assert said in outcome.error
    assert swarm.sessions == ["t1-a1-builder-1"]
    assert swarm.recorded() == swarm.used()


@pytest.mark.parametrize(
    "fault", ["network", "bad_arguments", "unoffered_tool", "unknown_outcome", "no_numbers"]
)
async def test_a_trap_of_the_library_costs_neither_the_attempt_nor_the_work(
    swarm: StandinSwarm, fault: str
) -> None:
    swarm.faults(builder=(fault,))
    swarm.start(LIBRARY, "--no-validation")

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    texts = [entry.text for entry in swarm.fake.entries["t1-a1-builder-1"]]
    assert sum(text.startswith("write_file ") and " done" not in text for text in texts) == 1
    assert any(text.startswith(("provider_failed: ", "invalid_input: ", "tool_recovery")) for text in texts)
    assert swarm.recorded() == swarm.used() != (0, 0)


async def test_an_order_ends_a_session_whose_cancel_hangs(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("cancel_hangs",))
    swarm.start(LIBRARY)
    await swarm.worker.until(lambda: swarm.fake.registered, what="it registers")
    swarm.fake.send(claims=[claim("t1", files=["a.py"])])
    await swarm.worker.until(lambda: swarm.ledger, what="the session starts")

    swarm.fake.send(orders=[stop("t1")])
    await swarm.worker.until(lambda: "t1" in swarm.fake.outcomes, what="an outcome")

    outcome = swarm.fake.outcomes["t1"]
    assert outcome.kind == task_pb2.OUTCOME_KIND_STOPPED
    assert outcome.kill_receipt.survivors == 0
    assert not any(alive(note["pid"]) for note in swarm.ledger if "pid" in note)


async def test_a_validator_has_no_tool_that_writes_and_the_project_gets_no_file(swarm: StandinSwarm) -> None:
    write = task_pb2.RehearsalCall(tool="write_file", arguments={"path": "changed", "content": "x"})
    script = task_pb2.RehearsalScript(calls=[write], reply='{"verdict": "PASS"}')
    swarm.start(LIBRARY)

    outcome = await swarm.outcome(claim("t1", rehearsal=task_pb2.Rehearsal(validator=[script])))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert swarm.files == []


async def test_a_command_that_its_session_left_behind_is_ended(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("orphan",))
    swarm.start(LIBRARY, "--no-validation")

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    (orphan,) = [note for note in swarm.ledger if note["event"] == "orphan"]
    assert not alive(orphan["pid"])


async def test_the_log_shows_tools_replies_and_the_end(swarm: StandinSwarm) -> None:
    swarm.start(LIBRARY, "--no-validation")

    await swarm.outcome(claim("t1", files=["a.py"]))

    kinds = [entry.kind for entry in swarm.fake.entries["t1-a1-builder-1"]]
    for kind in ("TOOL_STARTED", "TOOL_COMPLETED", "REPLY"):
        assert session_pb2.LogKind.Value(f"LOG_KIND_{kind}") in kinds


@pytest.mark.parametrize(
    ("env", "flags", "said"),
    [
        (
            {},
            (),
            "ANTHROPIC_API_KEY is set here, but sessions do not get it; add --pass-env ANTHROPIC_API_KEY",
        ),
        ({"AMPLIFIER_AGENT_PROVIDER": "nobody"}, (), "unknown provider nobody"),
        ({"AMPLIFIER_STANDIN_LIBRARY": "0.20"}, (), "has no sessions_directory"),
    ],
)
async def test_a_set_up_that_would_fail_every_session_never_registers(
    swarm: StandinSwarm,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    flags: tuple[str, ...],
    said: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    swarm.worker.start(*swarm.runner(LIBRARY), *flags, validator="unused")

    assert await swarm.worker.exit_code() == 2

    assert swarm.fake.registered == []
    (line,) = [line for line in swarm.worker.err.splitlines() if line.startswith("swarm-worker: ")]
    assert said in line


async def test_each_role_s_configuration_is_checked(swarm: StandinSwarm) -> None:
    good, bad = swarm.folder / "good.json", swarm.folder / "bad.json"
    good.write_text('{"provider": "ollama"}')
    bad.write_text('{"provider": {"module": "anthropic"}, "approval": {"mode": "yes"}}')
    swarm.start(LIBRARY, "--check", "--builder-config", str(good), "--validator-config", str(bad))

    assert await swarm.worker.exit_code() == 1

    lines = swarm.worker.out.splitlines()
    assert any(
        line.startswith("ok    agent of the builder: created for ollama; not proven") for line in lines
    )
    assert any(line.startswith("FAIL  agent of the validator: invalid_input: unknown key") for line in lines)


async def test_a_newer_library_proves_the_key(swarm: StandinSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMPLIFIER_STANDIN_LIBRARY", "0.22")
    monkeypatch.setenv("AMPLIFIER_AGENT_PROVIDER", "anthropic")
    swarm.start(LIBRARY, "--check")

    assert await swarm.worker.exit_code() == 0, swarm.worker.out
    assert "anthropic takes the key and lists 2 models" in swarm.worker.out
    assert f"ok    {AGENT}: library 0.22.0 under Python" in swarm.worker.out
