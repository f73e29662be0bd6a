"""The real amplifier-core, end to end, always in a separate process.

The tests' own process never imports it: threads of amplifier-core 2.0.2 may crash an interpreter that shuts down
after a cancelled session.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

RUN = ["run", "--session-id", "t1-a1-builder-1", "--fresh", "--output", "json", "--display", "ndjson"]
MODULE = ["-P", "-m", "swarm_worker.embedded"]


@dataclass
class Rehearsal:
    """A task file and a work folder, in which sessions can be run."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "work"

    def declare(self, **fields: Any) -> None:
        self.root.mkdir(exist_ok=True)
        (self.folder / "task.json").write_text(json.dumps({"task_id": "t1"} | fields))

    def play(self, *calls: tuple[str, dict[str, str]], reply: str = "") -> None:
        listed = [{"tool": tool, "arguments": arguments} for tool, arguments in calls]
        script = [{"calls": listed, "reply": reply}]
        self.declare(rehearsal={"builder": script, "validator": script})

    @contextmanager
    def begin(self, *flags: str, role: str = "builder", python: list[str] = MODULE) -> Iterator[Any]:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SWARM_TASK_FILE": str(self.folder / "task.json"),
            "SWARM_ROLE": role,
        }
        argv = [sys.executable, *python, *RUN, "--cwd", str(self.root), *flags]
        with subprocess.Popen(
            argv,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdin
                process.stdin.write("Do the task.")
                process.stdin.close()
                process.stdin = None
                yield process
            finally:
                process.kill()

    def run(self, *flags: str, role: str = "builder", python: list[str] = MODULE) -> "Ended":
        with self.begin(*flags, role=role, python=python) as process:
            stdout, stderr = process.communicate(timeout=60)
        events = [json.loads(line) for line in stderr.splitlines()]
        (line,) = stdout.splitlines()
        return Ended(process.returncode, json.loads(line), events)


@dataclass
class Ended:
    """The output of a session: events on stderr and an envelope on stdout."""

    code: int
    envelope: dict[str, Any]
    events: list[dict[str, Any]]

    @property
    def methods(self) -> list[str]:
        return [event["method"] for event in self.events]

    @property
    def result(self) -> dict[str, Any]:
        document = json.loads(self.envelope["reply"].splitlines()[-1])
        assert isinstance(document, dict)
        return document


@pytest.fixture
def rehearsal(tmp_path: Path) -> Rehearsal:
    return Rehearsal(tmp_path)


def test_a_script_is_played_by_a_real_session(rehearsal: Rehearsal) -> None:
    rehearsal.play(
        ("write_file", {"path": "src/x.py", "content": "print('made')\n"}),
        ("bash", {"command": f"{sys.executable} src/x.py"}),
        reply='Done.\n{"status": "completed"}',
    )

    ended = rehearsal.run()

    assert ended.code == 0
    assert ended.envelope["error"] is None
    assert ended.envelope["sessionId"] == "t1-a1-builder-1"
    assert ended.envelope["reply"] == 'Done.\n{"status": "completed"}'
    assert ended.envelope["metadata"]["engineVersion"].startswith("2.")
    assert ended.envelope["metadata"]["tokensIn"] == 0
    tool = ["usage", "result/final", "tool/started", "tool/completed"]
    assert ended.methods == [*tool, *tool, "usage", "result/delta", "result/final"]
    assert ended.events[7]["params"]["result"]["output"]["output"] == "made\n"
    used = [event["params"]["inputTokens"] for event in ended.events if event["method"] == "usage"]
    assert used == sorted(used)
    assert used[0] > 0
    assert (rehearsal.root / "src/x.py").read_text() == "print('made')\n"


def test_without_a_script_the_declared_files_are_created_and_found(rehearsal: Rehearsal) -> None:
    rehearsal.declare(files=["src/a.py", "docs/a.md"])

    built = rehearsal.run()
    judged = rehearsal.run(role="validator")

    assert built.result["status"] == "completed"
    assert built.result["files_created"] == ["docs/a.md", "src/a.py"]
    assert "no model wrote this" in (rehearsal.root / "src/a.py").read_text()
    assert judged.result["verdict"] == "PASS"
    assert judged.methods.count("tool/started") == 2


def test_a_validator_finds_that_a_declared_file_is_missing(rehearsal: Rehearsal) -> None:
    rehearsal.declare(files=["src/a.py"])

    judged = rehearsal.run(role="validator")

    assert judged.code == 0
    assert judged.result["verdict"] == "FAIL"
    assert judged.result["critical_issues"][0]["file"] == "src/a.py"


def test_a_failed_call_is_reported_and_ends_the_script(rehearsal: Rehearsal) -> None:
    rehearsal.play(("bash", {"command": "exit 4"}), ("bash", {"command": "touch never"}))

    ended = rehearsal.run()

    assert ended.code == 0
    assert ended.result["status"] == "blocked"
    assert ended.methods.count("tool/started") == 1
    assert not (rehearsal.root / "never").exists()


def test_the_mode_validate_leaves_no_tool_to_write_with(rehearsal: Rehearsal) -> None:
    rehearsal.play(("write_file", {"path": "x", "content": "x"}))

    ended = rehearsal.run("--mode", "validate", role="validator")

    assert ended.envelope["metadata"]["activeMode"] == "validate"
    assert "'write_file' is not a tool of this session" in ended.result["critical_issues"][0]["issue"]
    assert not (rehearsal.root / "x").exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_session_and_its_command_without_an_envelope(
    rehearsal: Rehearsal, until: Callable[[Callable[[], bool]], None], signum: signal.Signals
) -> None:
    rehearsal.play(
        ("bash", {"command": "trap '' TERM INT; echo $$ > made; mv made pid; sleep 600; sleep 600"})
    )

    with rehearsal.begin() as process:
        wait_for(process, "tool/started")
        until((rehearsal.root / "pid").exists)
        process.send_signal(signum)
        stdout, stderr = process.communicate(timeout=30)

    assert process.returncode == -signum
    assert stdout == ""
    assert [json.loads(line)["method"] for line in stderr.splitlines()] == ["tool/completed"]
    pid = int((rehearsal.root / "pid").read_text())
    until(lambda: not runs(pid))


def test_a_stuck_session_ends_too(rehearsal: Rehearsal) -> None:
    rehearsal.declare()
    stuck = """
import time
from swarm_worker.embedded import cli, provider
def answer(self, request):
    self._script.calls
    print("stuck", flush=True)
    time.sleep(600)
provider.RehearsalProvider._answer = answer
cli.main()
"""

    with rehearsal.begin(python=["-P", "-c", stuck]) as process:
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == -signal.SIGALRM


BROKEN = """
import swarm_worker.embedded.turn as turn
from swarm_worker.embedded import cli, session
async def broken(coordinator):
    raise ValueError("no key")
turn.modules = lambda request, stream: session.modules(request, stream) | {MODULE: broken}
cli.main()
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [("provider", "provider_init_failed"), ("tool-bash", "bundle_load_failed"), ("loop", "internal")],
)
def test_a_module_that_does_not_mount_is_fatal(rehearsal: Rehearsal, module: str, code: str) -> None:
    rehearsal.declare(files=["a.py"])

    ended = rehearsal.run(python=["-P", "-c", BROKEN.replace("MODULE", repr(module))])

    assert ended.code == 1
    assert ended.envelope["error"]["code"] == code
    assert "no key" in ended.envelope["error"]["message"]
    assert ended.methods == ["error"]
    assert not (rehearsal.root / "a.py").exists()


def test_a_fault_of_the_engine_is_reported_like_amplifier_agent_s(rehearsal: Rehearsal) -> None:
    rehearsal.declare()
    limited = """
from amplifier_core import RateLimitError
from swarm_worker.embedded import cli, provider
def answer(self, request):
    raise RateLimitError("slow down")
provider.RehearsalProvider._answer = answer
cli.main()
"""

    ended = rehearsal.run(python=["-P", "-c", limited])

    assert ended.code == 1
    assert ended.envelope["error"]["code"] == "internal"
    assert ended.envelope["error"]["message"] == "RuntimeError: Execution failed: RateLimitError: slow down"
    assert ended.methods == ["error", "error"]


def test_a_missing_kernel_is_named_with_the_way_to_install_it(rehearsal: Rehearsal) -> None:
    rehearsal.declare()
    without = (
        "import sys; sys.modules['amplifier_core'] = None; from swarm_worker.embedded import cli; cli.main()"
    )

    ended = rehearsal.run(python=["-P", "-c", without])

    assert ended.code == 1
    assert ended.envelope["error"]["code"] == "agent_not_ready"
    assert "amplifier-swarm[embedded]" in ended.envelope["error"]["remediation"]


def test_a_wrong_call_is_answered_by_an_envelope_alone(rehearsal: Rehearsal) -> None:
    rehearsal.declare()

    ended = rehearsal.run("--mode", "fly")

    assert ended.code == 2
    assert ended.envelope["error"]["code"] == "argv_mode_unknown"
    assert ended.events == []


def wait_for(process: Any, method: str) -> None:
    for line in process.stderr:
        if json.loads(line)["method"] == method:
            return
    raise AssertionError(f"the session ended without {method}")


def runs(pid: int) -> bool:
    """Returns whether the process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
