"""A real worker with real sessions, from the claim to the outcome."""

import json
import os
import re
import socket

import pytest
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1 import worker_service_pb2 as wire
from fakes.swarm_server import Address, FakeSwarm, WorkerProcess, claim, outcome_of
from swarm_worker.guard.containment import strongest

pytestmark = pytest.mark.slow

BUILT = r"""printf '{"status": "completed", "files_created": ["a.py"], "implementation_notes": "so"}\n'"""
PASS = r"""printf 'I looked.\n{"verdict": "PASS", "confidence": 0.9}\n'"""


def _texts(fake: FakeSwarm, session_id: str, kind: session_pb2.LogKind.ValueType) -> list[str]:
    return [entry.text for entry in fake.entries.get(session_id, ()) if entry.kind == kind]


async def test_a_worker_registers_and_prints_one_line(
    fake: FakeSwarm, worker: WorkerProcess, address: Address
) -> None:
    worker.start("--slots", "3", "--label", "gpu=a100")
    await worker.until(lambda: "\n" in worker.out, what="the ready line")

    assert (
        worker.out
        == f"swarm-worker ready name=w1 server={address.text} runner=command slots=3 pid={worker.pid}\n"
    )
    (request,) = fake.registered
    assert (request.worker, request.slots, request.runner) == ("w1", 3, "command")
    assert dict(request.labels) == {"gpu": "a100"}
    assert (request.host, request.pid, request.containment) == (
        socket.gethostname(),
        worker.pid,
        strongest().level,
    )
    assert request.instance
    assert request.incarnation
    assert list(request.lease_ids) == []


async def test_a_built_and_approved_task_is_completed_with_its_result_and_log(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    usage = """echo '{"method":"usage","params":{"inputTokens":10,"outputTokens":5,"cost":"0.25"}}' >&2"""
    worker.start(
        builder=worker.script(
            "b.sh", f"echo working\necho oops >&2\n{usage}\n{usage}\ntouch a.py\n{BUILT}\n"
        ),
        validator=worker.script("v.sh", f"{usage}\n{PASS}\n"),
    )

    outcome = await outcome_of(fake, worker, claim("t1", checks=["test -f a.py", "echo fine"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert outcome.builder_result.implementation_notes == "so"
    assert list(outcome.builder_result.files_created) == ["a.py"]
    assert [(check.command, check.exit_code) for check in outcome.checks] == [
        ("test -f a.py", 0),
        ("echo fine", 0),
    ]
    assert outcome.checks[1].output_tail == "fine\n"
    assert outcome.verdict.passed
    assert outcome.verdict.confidence == 0.9
    builder, validator = (end.end for end in fake.ends)
    assert (builder.exit_code, builder.usage.input_tokens, builder.usage.cost) == (0, 20, "0.50")
    assert (validator.exit_code, validator.usage.output_tokens) == (0, 5)
    assert _texts(fake, "t1-a1-builder-1", session_pb2.LOG_KIND_ERROR_OUTPUT) == ["oops"]
    assert _texts(fake, "t1-a1-builder-1", session_pb2.LOG_KIND_OUTPUT)[0] == "working"
    assert any(
        "check exited with 0" in text for text in _texts(fake, "t1-a1-builder-1", session_pb2.LOG_KIND_WORKER)
    )
    for session, asked in (("t1-a1-builder-1", "test -f a.py"), ("t1-a1-validator-1", "a.py")):
        prompt = "".join(_texts(fake, session, session_pb2.LOG_KIND_PROMPT))
        assert asked in prompt
        assert prompt.rstrip().endswith("```"), "it is whole: the form of the answer comes last"
    numbers = [entry.number for entry in fake.entries["t1-a1-builder-1"]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_task_costs_a_call_for_each_go_and_one_for_its_end(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(
        builder=worker.script("b.sh", f"touch a.py\n{BUILT}\n"), validator=worker.script("v.sh", f"{PASS}\n")
    )

    await outcome_of(fake, worker, claim("t1"))

    assert (fake.calls["RecordSession"], fake.calls["FinishTask"]) == (2, 1)
    assert [end.session_id for end in fake.ends] == [start.session_id for start in fake.starts]
    for entries in fake.entries.values():
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
        assert entries[-1].text.endswith("session exited with code 0")


async def test_d9_each_session_is_recorded_under_its_own_id_before_its_process_exists(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    ledger = worker.project / "ledger"
    existed: list[tuple[str, bool]] = []

    def go(record: wire.SessionRecord) -> wire.SessionAnswer:
        existed.append(
            (record.session_id, ledger.exists() and record.session_id in ledger.read_text("ascii"))
        )
        return wire.SessionAnswer(go=True)

    fake.go = go
    note = f'echo "$SWARM_ROLE $SWARM_SESSION_ID" >> {ledger}'
    worker.start(builder=worker.script("b.sh", note), validator=worker.script("v.sh", f"{note}\n{PASS}"))

    outcome = await outcome_of(fake, worker, claim("2.6.1.a", attempt=4))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    (builder, _), (validator, _) = existed
    assert [known for _, known in existed] == [False, False]
    assert ledger.read_text("ascii").split() == ["builder", builder, "validator", validator]
    assert re.fullmatch(r"2-6-1-a-[0-9a-f]{8}-a4-builder-1", builder)
    assert re.fullmatch(r"2-6-1-a-[0-9a-f]{8}-a4-validator-1", validator)
    assert [record.role for record in fake.starts] == [
        session_pb2.SESSION_ROLE_BUILDER,
        session_pb2.SESSION_ROLE_VALIDATOR,
    ]


@pytest.mark.parametrize("said", ["echo PASS", 'echo \'{"verdict": "pass"}\'', 'echo \'{"verdict": "PASS"\''])
async def test_d14_a_validator_without_a_readable_verdict_never_passes(
    fake: FakeSwarm, worker: WorkerProcess, said: str
) -> None:
    worker.start(builder="true", validator=worker.script("v.sh", said))

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == task_pb2.FAILURE_CLASS_NO_VERDICT
    assert not outcome.HasField("verdict")


async def test_d15_the_next_builder_gets_the_findings(fake: FakeSwarm, worker: WorkerProcess) -> None:
    reject = json.dumps(
        {
            "verdict": "FAIL",
            "critical_issues": [{"file": "a.py", "issue": "no tests", "severity": "critical"}],
        }
    )
    worker.start(
        builder=worker.script("b.sh", 'cat > "prompt-$SWARM_ATTEMPT"'),
        validator=worker.script("v.sh", f"echo '{reject}'"),
    )

    first = await outcome_of(fake, worker, claim("t1"))
    assert first.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert first.error == "the validator rejected the work: no tests"
    again = claim("t1", attempt=2, findings=first.verdict.findings, last_error=first.error)
    again.lease_id = "t1-again"
    await outcome_of(fake, worker, again)

    prompt = (worker.project / "prompt-2").read_text("utf-8")
    assert "a1f1 [critical] a.py: no tests" in prompt
    assert "the validator rejected the work: no tests" in prompt
    assert "no tests" not in (worker.project / "prompt-1").read_text("utf-8")


async def test_d17_a_long_prompt_comes_by_stdin_and_file_and_not_in_the_command_line(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    session = """
        cat > stdin
        cp "$SWARM_PROMPT_FILE" file
        cp "$SWARM_TASK_FILE" task
        stat -c %a "$SWARM_PROMPT_FILE" > mode
        ls "$(dirname "$SWARM_PROMPT_FILE")" > files
        tr "\\0" " " < /proc/$$/cmdline > cmdline
    """
    worker.start(builder=worker.script("b.sh", session))
    description = "0123456789abcdef" * 6_000

    outcome = await outcome_of(fake, worker, claim("t1", description=description, files=["a.py"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    prompt = (worker.project / "stdin").read_text("utf-8")
    assert description in prompt
    assert (worker.project / "file").read_text("utf-8") == prompt
    assert (worker.project / "mode").read_text("ascii") == "600\n"
    assert len((worker.project / "cmdline").read_text("utf-8")) < 1000
    task = json.loads((worker.project / "task").read_text("utf-8"))
    assert (task["task_id"], task["files"], task["description"]) == ("t1", ["a.py"], description)
    files = (worker.project / "files").read_text("ascii").split()
    assert files == [f"t1-a1-builder-1.{name}" for name in ("prompt.md", "socket", "task.json")], (
        "and no folder to remove"
    )
    assert list((worker.state / "w1" / "sessions").iterdir()) == []


async def test_a_validator_s_task_file_has_the_builder_s_result(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(
        builder=worker.script("b.sh", BUILT),
        validator=worker.script("v.sh", f'cp "$SWARM_TASK_FILE" task\n{PASS}'),
    )

    await outcome_of(fake, worker, claim("t1"))

    task = json.loads((worker.project / "task").read_text("utf-8"))
    assert task["builder_result"]["implementation_notes"] == "so"


async def test_failed_checks_reject_the_work_without_a_validator(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(builder="true", validator="touch never")

    outcome = await outcome_of(
        fake, worker, claim("t1", checks=["echo broken; exit 3", "true", "kill -9 $$"])
    )

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert outcome.error == "2 of 3 checks failed: 'echo broken; exit 3' exited with 3"
    assert [check.exit_code for check in outcome.checks] == [3, 0, -9]
    assert [(finding.finding_id, finding.severity) for finding in outcome.verdict.findings] == [
        ("a1f1", "critical"),
        ("a1f2", "critical"),
    ]
    assert "`echo broken; exit 3` exited with 3:\nbroken" in outcome.verdict.findings[0].issue
    assert not (worker.project / "never").exists()


async def test_without_validation_no_validator_runs_whatever_the_task_says(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start("--no-validation", builder="true", validator="touch never")

    outcome = await outcome_of(fake, worker, claim("t1", validate=True))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert not outcome.HasField("verdict")
    assert outcome.validation_waived
    assert not (worker.project / "never").exists()


async def test_a_task_can_skip_validation(fake: FakeSwarm, worker: WorkerProcess) -> None:
    worker.start(builder="true", validator="false")

    outcome = await outcome_of(fake, worker, claim("t1", validate=False))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert not outcome.validation_waived


@pytest.mark.parametrize(
    ("body", "failure", "error"),
    [
        ("echo no space >&2; exit 3", task_pb2.FAILURE_CLASS_AGENT_ERROR, "exited with 3: no space"),
        ("kill -SEGV $$", task_pb2.FAILURE_CLASS_CRASHED, "the builder was ended by SIGSEGV"),
        ("sleep 600", task_pb2.FAILURE_CLASS_TIMEOUT, "the builder ran longer than 1 s"),
    ],
)
async def test_a_failed_builder_is_reported_by_its_class(
    fake: FakeSwarm, worker: WorkerProcess, body: str, failure: task_pb2.FailureClass.ValueType, error: str
) -> None:
    worker.start(builder=worker.script("b.sh", body))

    outcome = await outcome_of(fake, worker, claim("t1", builder_timeout=Duration(seconds=1)))

    assert outcome.kind == task_pb2.OUTCOME_KIND_FAILED
    assert outcome.failure_class == failure
    assert error in outcome.error
    assert outcome.HasField("kill_receipt") == (failure == task_pb2.FAILURE_CLASS_TIMEOUT)


async def test_a_check_has_a_limit_of_its_own(fake: FakeSwarm, worker: WorkerProcess) -> None:
    worker.start(builder=worker.script("b.sh", "true"))

    sent = claim("t1", checks=["echo begun; sleep 600", "true"], check_timeout=Duration(seconds=1))
    outcome = await outcome_of(fake, worker, sent)

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert [check.exit_code == 0 for check in outcome.checks] == [False, True]
    assert outcome.checks[0].output_tail == "begun\n\n[ran longer than 1 s]"


async def test_the_files_of_a_check_are_not_shown_as_the_builder_s_work(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    seen = worker.project / "prompt-of-the-validator"
    validator = worker.script("v.sh", f'cp "$SWARM_PROMPT_FILE" {seen}; echo \'{{"verdict": "PASS"}}\'')
    worker.start(builder=worker.script("b.sh", "echo > built.txt"), validator=validator)

    sent = claim("t1", files=["built.txt", "report.xml"], checks=["echo > report.xml"])
    outcome = await outcome_of(fake, worker, sent)

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome.error
    declared = [line for line in seen.read_text().splitlines() if line.startswith("declared: ")]
    assert declared == ["declared: built.txt: created, 1 bytes", "declared: report.xml: missing"]


async def test_a_rehearsal_of_the_embedded_runner_goes_the_same_way(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    call = task_pb2.RehearsalCall(tool="write_file", arguments={"path": "src/a.py", "content": "A = 1\n"})
    reject = task_pb2.RehearsalScript(reply='{"verdict": "FAIL", "summary": "A must be 2"}')
    script = task_pb2.RehearsalScript(calls=[call], reply='Done.\n{"status": "completed"}')
    rehearsal = task_pb2.Rehearsal(builder=[script], validator=[reject])
    worker.start("--runner", "embedded", validator="unused")

    outcome = await outcome_of(fake, worker, claim("t1", files=["src/a.py"], rehearsal=rehearsal))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_VALIDATION_FAILED
    assert outcome.error == "the validator rejected the work: A must be 2"
    assert outcome.builder_result.status == "completed"
    assert (worker.project / "src" / "a.py").read_text("ascii") == "A = 1\n"
    assert all(end.end.usage.input_tokens > 0 for end in fake.ends)
    started = _texts(fake, "t1-a1-builder-1", session_pb2.LOG_KIND_TOOL_STARTED)
    assert len(started) == 1
    assert started[0].startswith("write_file ")


async def test_a_silent_session_is_stalled(fake: FakeSwarm, worker: WorkerProcess) -> None:
    worker.start("--stall-timeout", "0.3", builder=worker.script("b.sh", "echo last words; exec sleep 600"))

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_STALLED
    assert outcome.kill_receipt.last_output == "last words\n"


async def test_a_program_that_vanished_is_bad_config(fake: FakeSwarm, worker: WorkerProcess) -> None:
    program = worker.project / "agent"
    program.write_text("#!/bin/sh\n", encoding="ascii")
    program.chmod(0o755)
    worker.start(builder=str(program))
    await worker.until(lambda: fake.registered, what="it registers")
    program.unlink()

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_BAD_CONFIG
    assert outcome.error == f"can't start {program}: No such file or directory"
    assert not fake.ends[0].end.HasField("exit_code")


async def test_a_session_gets_no_token_but_its_own_and_no_more_than_it_should(
    fake: FakeSwarm, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_TOKEN", "super-secret")
    monkeypatch.setenv("MODEL_KEY", "wanted")
    monkeypatch.setenv("OTHER_KEY", "unwanted")
    worker.start("--pass-env", "MODEL_KEY", builder=worker.script("b.sh", "env -0 > env"))

    await outcome_of(fake, worker, claim("t1"))

    pairs = dict(
        pair.split("=", 1) for pair in (worker.project / "env").read_text("utf-8").split("\0") if pair
    )
    allowed = {"PATH", "HOME", "USER", "LANG", "TERM", "TMPDIR", "MODEL_KEY", "PWD", "SHLVL", "_", "OLDPWD"}
    swarm = {"TASK_ID", "ATTEMPT", "ROLE", "SESSION_ID", "PROMPT_FILE", "TASK_FILE", "PROJECT_ROOT", "STATE"}
    own = {"SESSION_SOCKET", "SESSION_TOKEN", "MCP"}
    assert {name for name in pairs if name.startswith("SWARM_")} == {f"SWARM_{name}" for name in swarm | own}
    assert pairs["SWARM_SESSION_TOKEN"].startswith("swt1_session_"), "a token of its own, and no other"
    assert json.loads(pairs["SWARM_MCP"])[-1] == "mcp"
    assert {name for name in pairs if not name.startswith(("SWARM_", "LC_", "AMPLIFIER_"))} <= allowed
    assert "super-secret" not in pairs.values()
    assert pairs["SWARM_PROJECT_ROOT"] == os.fspath(worker.project)


async def test_d12_two_hundred_thousand_lines_neither_block_nor_fill_the_worker(
    fake: FakeSwarm, worker: WorkerProcess
) -> None:
    worker.start(
        builder=worker.script(
            "b.sh", f"seq 200000; seq 200000 >&2; head -c 300000 /dev/zero | tr '\\0' x; echo\n{BUILT}"
        )
    )

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert outcome.builder_result.status == "completed"
    numbers = [entry.number for entry in fake.entries["t1-a1-builder-1"]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] >= 400_000
    assert all(len(entry.text.encode()) <= 8192 for entry in fake.entries["t1-a1-builder-1"])
    assert any("cut]" in entry.text for entry in fake.entries["t1-a1-builder-1"])
