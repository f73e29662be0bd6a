"""Notifications from the real programs to a real web server through Apprise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import Stage, stage
from support.waiting import until
from support.webhook import Webhook, webhook

pytestmark = pytest.mark.slow
PLAN = "defaults: {max_retries: 0}\ntasks: [{id: good, name: Good}, {id: bad, name: Bad}]\n"
SESSION = "test $SWARM_TASK_ID = good"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as found:
        yield found


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "plan.yaml").write_text(PLAN)
    with stage(tmp_path) as found:
        yield found


def argv_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_a_run_reports_failures_and_its_end(on: Stage, hook: Webhook) -> None:
    on.project.mkdir()
    done = on.ctl(
        *("run", "plan.yaml", "--workers", "1", "--project-root", "project", "--runner", "command"),
        *("--builder-command", f"sh -c '{SESSION}'", "--no-validation", "--notify", hook.url),
        check=False,
        server=False,
    )

    assert done.returncode == 1, done.stderr
    messages = "\n".join(message["message"] for message in hook.received)
    assert "Task bad (Bad) failed at attempt 1: agent_error" in messages
    assert "Nothing is left to do: 1 completed, 1 failed" in messages
    assert messages.count("Nothing is left") == 1
    assert "Good" not in messages
    logs = "".join(path.read_text() for path in on.state.rglob("*.log"))
    assert "s3cret-path" not in done.stderr + logs


def test_a_message_that_an_endpoint_refused_is_sent_after_a_restart_and_only_once(
    on: Stage, hook: Webhook
) -> None:
    hook.status = 500
    (on.folder / "notify").write_text(f"# on call\n{hook.url}#events=stop\n")
    server = on.swarmd("--notify", "@notify")
    assert "s3cret-path" not in argv_of(server.pid)
    on.ctl("emergency-stop", "--cause", "smoke")
    until(lambda: hook.callers, "the endpoint has been called")
    assert server.end() == 0
    hook.status = 200

    server = on.swarmd("--notify", "@notify")
    until(lambda: hook.received, "the message has come")
    assert server.end() == 0
    server = on.swarmd("--notify", "@notify")
    on.ctl("resume")
    on.ctl("emergency-stop", "--cause", "again")
    until(lambda: len(hook.received) == 2, "the next message has come")
    assert server.end() == 0

    assert [message["message"] for message in hook.received] == [
        "Emergency stop in force: smoke",
        "Emergency stop in force: again",
    ]


def test_an_endpoint_that_hangs_delays_neither_calls_nor_the_shutdown(on: Stage, hook: Webhook) -> None:
    hook.open.clear()
    # Apprise itself would wait for a minute.
    server = on.swarmd("--notify", f"{hook.url}?rto=60")
    on.ctl("emergency-stop")
    until(lambda: hook.callers, "the endpoint has been called")

    on.ctl("status")

    assert server.end() == 0


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            ("--notify", "carrierpigeon://s3cret"),
            (
                "swarmd: --notify 1 is not an address that Apprise knows (carrierpigeon://…); "
                "see the list of services in Apprise's documentation"
            ),
        ),
        (
            ("--notify", "json://h/s3cret#events=nope"),
            (
                "swarmd: --notify 1: 'nope' is not an event; known are failed, finished, stop, worker-lost, "
                "runner-paused, needs-person"
            ),
        ),
    ],
)
def test_a_wrong_address_is_refused_before_any_file_is_written(
    on: Stage, flags: tuple[str, ...], line: str
) -> None:
    server = on.start("swarmd", *flags, program="swarmd")

    assert server.process.wait(30) == 2
    assert server.said() == f"{line}\n"
    assert not on.state.exists()
