"""A real worker that drives stand-ins of Amplifier's programs, with all their quirks."""

import re
import shutil
import signal

import pytest
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import session_pb2, task_pb2
from fakes.swarm_server import SWARM_ID, WorkerProcess, claim, stop
from support.programs import alive
from support.standin_swarm import AGENT, CLI, LIBRARY, StandinSwarm

pytestmark = pytest.mark.slow
all_runners = pytest.mark.parametrize("runner", [AGENT, CLI, LIBRARY])
both = pytest.mark.parametrize("runner", [AGENT, CLI])


def backend(runner: str, session: str) -> str:
    """Returns the session's id in the program."""
    return f"{session}-{SWARM_ID}" if runner == CLI else session


@all_runners
async def test_a_task_is_built_and_approved_and_all_its_usage_is_counted(
    swarm: StandinSwarm, runner: str
) -> None:
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["src/a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert (outcome.builder_result.status, outcome.verdict.passed) == ("completed", True)
    assert swarm.sessions == ["t1-a1-builder-1", "t1-a1-validator-1"]
    assert swarm.recorded() == swarm.used() != (0, 0)
    tools = [
        entry.text
        for entry in swarm.fake.entries["t1-a1-builder-1"]
        if entry.kind == session_pb2.LOG_KIND_TOOL_STARTED
    ]
    assert tools
    assert tools[0].startswith("write_file ")


async def test_the_new_cli_receives_the_session_s_id(
    swarm: StandinSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMPLIFIER_STANDIN_CLI", "new")
    swarm.start(CLI)

    outcome = await swarm.outcome(claim("t1"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert {note["session"] for note in swarm.ledger} == {backend(CLI, name) for name in swarm.sessions}


async def test_a_cli_that_misses_its_own_session_after_the_work_is_believed(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("two_documents",))
    swarm.start(CLI)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error


@all_runners
async def test_d17_a_prompt_of_any_size_arrives(swarm: StandinSwarm, runner: str) -> None:
    swarm.start(runner, "--no-validation")

    outcome = await swarm.outcome(claim("t1", description="0123456789abcdef" * 12_000))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error


@both
@pytest.mark.parametrize(
    ("fault", "failure", "said"),
    [
        ("auth", task_pb2.FAILURE_CLASS_PROVIDER_DENIED, "swarmctl resume"),
        ("quota", task_pb2.FAILURE_CLASS_PROVIDER_DENIED, "raise the provider's quota"),
        ("context", task_pb2.FAILURE_CLASS_AGENT_ERROR, "ContextLengthError"),
        ("network", task_pb2.FAILURE_CLASS_PROVIDER_LIMITED, "NetworkError"),
        ("crash", task_pb2.FAILURE_CLASS_CRASHED, "SIGKILL"),
        ("exit", task_pb2.FAILURE_CLASS_AGENT_ERROR, "exited with 1"),
        ("lie", task_pb2.FAILURE_CLASS_AGENT_ERROR, "no evidence of work"),
        ("error_reply", task_pb2.FAILURE_CLASS_AGENT_ERROR, "no evidence of work"),
        ("tool_failures", task_pb2.FAILURE_CLASS_AGENT_ERROR, "declared but not there: a.py"),
    ],
)
async def test_d8_d14_a_failed_builder_is_reported_by_its_class_and_never_counts_as_done(
    swarm: StandinSwarm, runner: str, fault: str, failure: task_pb2.FailureClass.ValueType, said: str
) -> None:
    swarm.faults(builder=(fault,))
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == failure
    assert said in outcome.error
    assert swarm.sessions == ["t1-a1-builder-1"]
    if fault != "crash":
        assert swarm.recorded() == swarm.used()


@all_runners
async def test_a_rate_limit_carries_the_wait_of_the_provider(swarm: StandinSwarm, runner: str) -> None:
    swarm.faults(builder=("rate_limit",), retry_after_s=12)
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_PROVIDER_LIMITED
    assert outcome.retry_after.seconds == 12


@all_runners
async def test_d14_a_missing_verdict_is_asked_for_once_in_the_same_session(
    swarm: StandinSwarm, runner: str
) -> None:
    swarm.faults(validator=("verdict_prose_then_json_on_repair",))
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert swarm.sessions == ["t1-a1-builder-1", "t1-a1-validator-1"]
    turns = [note for note in swarm.ledger if note["event"] == "start" and note["role"] == "validator"]
    assert [(turn["session"], turn["resumed"]) for turn in turns] == [
        (backend(runner, "t1-a1-validator-1"), False),
        (backend(runner, "t1-a1-validator-1"), True),
    ]
    assert swarm.recorded() == swarm.used()


@all_runners
@pytest.mark.parametrize("fault", ["missing_verdict", "broken_json"])
async def test_d14_a_verdict_that_stays_missing_is_no_verdict(
    swarm: StandinSwarm, runner: str, fault: str
) -> None:
    swarm.faults(validator=(fault,) * 3)
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_NO_VERDICT
    assert not outcome.HasField("verdict")
    assert len(swarm.sessions) == 4


@all_runners
async def test_a_validator_that_crashed_or_was_limited_is_run_again_alone(
    swarm: StandinSwarm, runner: str
) -> None:
    swarm.faults(validator=("crash", "rate_limit"), retry_after_s=0.1)
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert swarm.sessions == [
        "t1-a1-builder-1",
        "t1-a1-validator-1",
        "t1-a1-validator2-1",
        "t1-a1-validator3-1",
    ]
    assert [record.session_id for record in swarm.fake.ends] == swarm.sessions


async def test_a_validator_is_run_three_times_at_most(swarm: StandinSwarm) -> None:
    swarm.faults(validator=("crash", "crash", "crash"))
    swarm.start(AGENT)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATOR_FAILED
    assert "ended by SIGKILL" in outcome.error
    assert len(swarm.sessions) == 4


async def test_a_session_that_has_not_begun_to_answer_may_be_silent_longer(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("silent",))
    swarm.start(AGENT, "--stall-timeout", "1")

    outcome = await swarm.outcome(claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_STALLED
    assert outcome.error == "the builder was silent for 3 s"


@all_runners
async def test_a_session_that_falls_silent_is_stalled(swarm: StandinSwarm, runner: str) -> None:
    swarm.faults(builder=("stall",))
    swarm.start(runner, "--stall-timeout", "1.5")

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_STALLED
    assert outcome.error == "the builder was silent for 1.5 s"
    assert outcome.kill_receipt.survivors == 0


async def test_d8_an_order_to_end_reaches_what_a_session_left_in_the_background(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("orphan",), validator=("stall",))
    swarm.start(AGENT)
    await swarm.worker.until(lambda: swarm.fake.registered, what="it registers")
    swarm.fake.send(claims=[claim("t1", files=["a.py"])])
    await swarm.worker.until(lambda: "t1-a1-validator-1" in swarm.sessions, what="the validator starts")

    swarm.fake.send(orders=[stop("t1")])
    await swarm.worker.until(lambda: "t1" in swarm.fake.outcomes, what="an outcome")

    outcome = swarm.fake.outcomes["t1"]
    assert outcome.kind == task_pb2.OUTCOME_KIND_STOPPED
    assert outcome.kill_receipt.survivors == 0
    (orphan,) = [note for note in swarm.ledger if note["event"] == "orphan"]
    assert not alive(orphan["pid"])


@both
async def test_delegated_children_and_noise_are_counted_and_skipped(swarm: StandinSwarm, runner: str) -> None:
    swarm.faults(builder=("delegate",), validator=("noisy",))
    swarm.start(runner)

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert any(note.get("agent") for note in swarm.ledger)
    assert swarm.recorded() == swarm.used()
    assert all(record.end.usage.cost for record in swarm.fake.ends)


@both
async def test_a_session_whose_child_works_is_not_stalled(swarm: StandinSwarm, runner: str) -> None:
    swarm.faults(builder=("long_child",), child_s=8.0)
    swarm.start(runner, "--stall-timeout", "5", "--no-validation")

    outcome = await swarm.outcome(claim("t1", files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert swarm.recorded() == swarm.used()


@both
@pytest.mark.parametrize("swarm_id", ["fedcba987654", SWARM_ID], ids=["another swarm", "a copy of the swarm"])
async def test_a_second_swarm_in_the_same_project_resumes_no_session(
    swarm: StandinSwarm, runner: str, swarm_id: str
) -> None:
    for swarm.fake.swarm_id in (SWARM_ID, swarm_id):
        swarm.fake.finished.clear()
        swarm.fake.registered.clear()
        swarm.start(runner)
        outcome = await swarm.outcome(claim("t1", files=["a.py"]))
        # A killed worker could leave the outcome in its outbox, and the next would report that one.
        swarm.worker.signal(signal.SIGTERM)
        await swarm.worker.exit_code()

        assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
        (swarm.worker.project / "a.py").unlink()

    assert not any(note["resumed"] for note in swarm.ledger if note["event"] == "start")


async def test_the_log_of_a_cli_session_has_replies_and_reasons(swarm: StandinSwarm) -> None:
    call = task_pb2.RehearsalCall(tool="bash", arguments={"command": "echo some words; exit 3"})
    script = task_pb2.RehearsalScript(calls=[call], reply="I could not run it.")
    swarm.start(CLI, "--no-validation")

    await swarm.outcome(claim("t1", rehearsal=task_pb2.Rehearsal(builder=[script])))

    entries = swarm.fake.entries["t1-a1-builder-1"]
    replies = [entry.text for entry in entries if entry.kind == session_pb2.LOG_KIND_REPLY]
    assert "bash failed: exit code 3\nsome words" in [entry.text for entry in entries]
    assert replies[-1].startswith("Done as asked.")
    assert f"its id there is {backend(CLI, 't1-a1-builder-1')}" in entries[0].text


async def test_a_check_without_a_provider_starts_nothing_that_would_choose_one(swarm: StandinSwarm) -> None:
    swarm.worker.start("--check", "--runner", CLI, validator="unused")

    assert await swarm.worker.exit_code() == 1

    assert "bundle: not tried (anchors), since sessions would have no provider" in swarm.worker.out
    assert not (swarm.folder / "home" / ".amplifier").exists()


@pytest.mark.parametrize("flags", [(), ("--check",)])
async def test_settings_that_the_program_would_replace_are_refused(
    swarm: StandinSwarm, flags: tuple[str, ...]
) -> None:
    settings = swarm.folder / "home" / ".amplifier" / "settings.yaml"
    settings.parent.mkdir()
    settings.write_text("config:\n  providers:\n - module: x\n")
    swarm.start(CLI, *flags)

    assert await swarm.worker.exit_code() == (1 if flags else 2)

    said = swarm.worker.out + swarm.worker.err
    assert f"settings: {settings} can't be read: " in said
    assert "line 3; correct it: amplifier would replace it" in said
    assert list(settings.parent.iterdir()) == [settings]


async def test_an_unknown_bundle_is_found_before_a_task_is_claimed(swarm: StandinSwarm) -> None:
    swarm.start(CLI, "--bundle", "absent")

    assert await swarm.worker.exit_code() == 2

    assert swarm.fake.registered == []
    (line,) = [line for line in swarm.worker.err.splitlines() if line.startswith("swarm-worker: ")]
    assert "Bundle 'absent' not found; pass another bundle" in line


async def test_a_validator_can_read_and_not_write(swarm: StandinSwarm) -> None:
    write = task_pb2.RehearsalCall(tool="write_file", arguments={"path": "changed", "content": "x"})
    script = task_pb2.RehearsalScript(calls=[write], reply='{"verdict": "PASS"}')
    swarm.start(AGENT)

    outcome = await swarm.outcome(claim("t1", rehearsal=task_pb2.Rehearsal(validator=[script])))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    assert swarm.files == [".amplifier/modes/.gitignore", ".amplifier/modes/swarm-validate.md"]


async def test_d15_findings_have_ids_and_keep_them(swarm: StandinSwarm) -> None:
    swarm.faults(validator=("reject", "reject"))
    swarm.start(AGENT)

    first = await swarm.outcome(claim("t1", files=["a.py"]))
    assert first.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    (finding,) = first.verdict.findings
    assert finding.finding_id == "a1f1"

    kept = session_pb2.Finding(finding_id="a1f9", issue="Defect  number 2")
    again = claim("t1", attempt=2, files=["a.py"], findings=[finding, kept], last_error=first.error)
    again.lease_id = "again"
    second = await swarm.outcome(again)

    assert [found.finding_id for found in second.verdict.findings] == ["a1f9"]


async def test_a_worker_whose_sessions_would_have_no_key_never_registers(swarm: StandinSwarm) -> None:
    swarm.worker.start("--runner", AGENT, validator="unused")

    assert await swarm.worker.exit_code() == 2

    assert swarm.fake.registered == []
    (line,) = [line for line in swarm.worker.err.splitlines() if line.startswith("swarm-worker: ")]
    assert "ANTHROPIC_API_KEY is set here, but sessions do not get it; add --pass-env" in line


@both
async def test_workers_that_start_at_the_same_time_prepare_once(
    swarm: StandinSwarm, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMPLIFIER_STANDIN_COLD_S", "1")
    others = [WorkerProcess(swarm.folder / f"w{number}", swarm.worker._server) for number in (1, 2)]
    try:
        for worker in (swarm.worker, *others):
            worker.start("--runner", runner, "--pass-env", "ANTHROPIC_API_KEY", validator="unused")
        for worker in (swarm.worker, *others):
            await worker.until(lambda worker=worker: "ready" in worker.out, what="it is ready")  # type: ignore[misc]
    finally:
        for worker in others:
            worker.end()

    assert len(list((swarm.folder / "cache" / "amplifier-swarm").glob("preflight-*"))) == 1
    said = "preparing amplifier-agent" if runner == AGENT else "loading amplifier's bundle"
    assert sum(said in worker.err for worker in (swarm.worker, *others)) == 1


@both
async def test_caches_that_were_removed_are_filled_before_the_next_claim(
    swarm: StandinSwarm, runner: str
) -> None:
    home = swarm.folder / "home" / f".{runner}"
    for _ in range(2):
        swarm.fake.registered.clear()
        swarm.start(runner)
        await swarm.worker.until(lambda: swarm.fake.registered, what="it registers")
        assert (home / "cache" / "prepared").exists()
        swarm.worker.end()
        shutil.rmtree(home / "cache")


async def test_a_slow_start_does_not_wait_for_the_end_of_another_session(swarm: StandinSwarm) -> None:
    swarm.start(AGENT, "--slots", "6", "--no-validation")
    await swarm.worker.until(lambda: swarm.fake.registered, what="it registers")

    swarm.fake.send(claims=[claim(f"s{number}", files=[f"f{number}"]) for number in range(6)])
    await swarm.worker.until(lambda: len(swarm.fake.outcomes) == 6, what="all outcomes")

    assert {outcome.kind for outcome in swarm.fake.outcomes.values()} == {task_pb2.OUTCOME_KIND_COMPLETED}


async def test_a_builder_s_timeout_ends_it(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("stall",))
    swarm.start(AGENT)

    outcome = await swarm.outcome(claim("t1", files=["a.py"], builder_timeout=Duration(seconds=2)))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_TIMEOUT


async def test_a_task_may_have_a_stall_limit_of_its_own(swarm: StandinSwarm) -> None:
    swarm.faults(builder=("stall",))
    swarm.start(AGENT)

    outcome = await swarm.outcome(claim("t1", files=["a.py"], stall_timeout=Duration(seconds=1)))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_STALLED
    assert "silent for 1 s" in outcome.error


@all_runners
async def test_check_probes_everything_without_a_server(swarm: StandinSwarm, runner: str) -> None:
    swarm.start(runner, "--check")

    assert await swarm.worker.exit_code() == 0, swarm.worker.out

    lines = swarm.worker.out.splitlines()
    assert all(re.match(r"(ok|warn|open)  +\w", line) for line in lines)
    names = {line[6:].partition(":")[0] for line in lines}
    own = {"agent", AGENT} if runner == LIBRARY else {"credentials", runner}
    assert {"disk", "git", "kill", "project root"} | own <= names
