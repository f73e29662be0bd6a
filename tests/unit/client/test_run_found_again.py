"""A run is found again from its folder; what it does not run again, and how it ends."""

import subprocess
from pathlib import Path

import pytest

from amplifier_swarm import state_paths
from amplifier_swarm.state_paths import latest_run, project_state
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.event_pb2 import Event
from amplifier_swarm.v1.session_pb2 import Usage
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from fakes.operator_server import COMPLETED, FAILED, RUN, FakeOperatorServer
from swarmctl.run.summary import FinishedRun, summary_blocks, summary_document
from unit.client.conftest import Ctl

KILLED = TaskStatus.TASK_STATUS_KILLED


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.delenv("SWARM_TOKEN", raising=False)


def test_a_run_with_a_database_elsewhere_is_found_from_its_folder_while_it_runs(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    found: list[str] = []

    def look(request: wire.WatchEventsRequest) -> object:
        if request.follow:
            run = latest_run(fake.folder)
            assert run is not None
            (fake.folder / "state" / "swarm.db.lock").write_text(str(fake.calls("swarmd")[0][0]))
            found.append(run.server_address() or "none")
            found.append((fake.folder / ".swarm" / "address").read_text().strip())
        return fake.complete(request)

    fake.operator.answers["WatchEvents"] = look

    assert alone(*RUN).code == 0
    assert found == [fake.operator.address] * 2
    run = latest_run(fake.folder)
    assert run is not None
    assert run.db == fake.folder / "state" / "swarm.db"
    assert run.server_address() is None, "the run has ended"


def test_the_address_in_a_repository_is_hidden_from_git(
    alone: Ctl, fake: FakeOperatorServer, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    seen: list[str] = []

    def look(request: wire.WatchEventsRequest) -> object:
        if request.follow:
            assert (project / ".swarm" / "address").exists()
            status = ["git", "-C", str(project), "status", "--porcelain", "--untracked-files=all"]
            seen.append(subprocess.run(status, check=True, capture_output=True, text=True).stdout)
        return fake.complete(request)

    fake.operator.answers["WatchEvents"] = look

    assert alone(*RUN, "--project-root", str(project)).code == 0
    assert seen == [""]


def test_a_run_of_another_folder_is_not_found(alone: Ctl, fake: FakeOperatorServer, tmp_path: Path) -> None:
    assert alone(*RUN).code == 0
    inside = tmp_path / "inside"
    inside.mkdir()

    assert latest_run(inside) is None


def test_a_database_that_is_gone_is_not_found(tmp_path: Path) -> None:
    state = project_state(tmp_path)
    state_paths.make_state_folder(state)
    (state.folder / state_paths.RUN_DB).write_text(f"{tmp_path}/gone.db\n")

    assert latest_run(tmp_path) is None


def test_what_failed_before_is_not_run_again_and_the_way_to_do_so_is_said(
    alone: Ctl, fake: FakeOperatorServer
) -> None:
    fake.tasks = [Task(task_id="a", status=FAILED), Task(task_id="b", status=KILLED)]
    fake.done = True

    result = alone(*RUN)

    assert (
        "swarmctl: 2 tasks that failed or were killed are not run again: a, b; --retry-failed runs failed ones,"
        " `swarmctl retry TASK` any" in result.err.splitlines()
    )
    assert fake.operator.asked("RetryTask") == []


def test_retry_failed_runs_them_again(alone: Ctl, fake: FakeOperatorServer) -> None:
    fake.operator.answers["RetryTask"] = wire.RetryTaskResponse(tasks=[Task(task_id="a")], revived=2)

    result = alone(*RUN, "--retry-failed")

    assert [request.failed for request in fake.operator.asked("RetryTask")] == [True]
    assert "swarmctl: 1 failed task and 2 skipped run again" in result.err.splitlines()


def test_the_summary_begins_with_what_failed_and_has_cost_and_time() -> None:
    tasks = [
        Task(task_id="done", status=COMPLETED),
        Task(task_id="skipped", status=TaskStatus.TASK_STATUS_SKIPPED),
        Task(task_id="failed", status=FAILED, last_error="boom"),
    ]
    end = FinishedRun(tasks, Usage(input_tokens=24_000, output_tokens=1_600, cost="30.18"), 192.0)

    table, _, totals, *_ = summary_blocks(end)

    assert [row[0].text for row in table.rows] == ["failed", "skipped", "done"]  # type: ignore[union-attr]
    assert totals.text.startswith("took 3m12s, used 24,000 in, 1,600 out, $30.18")  # type: ignore[union-attr]
    document = summary_document(end)
    assert (document["took_s"], document["usage"]["cost"]) == (192.0, "30.18")


def test_a_run_in_which_no_worker_may_take_what_is_left_ends_with_the_reason(
    alone: Ctl, fake: FakeOperatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmctl.run.idle_check.IDLE_S", 0.1)
    monkeypatch.setattr("swarmctl.run.idle_check.END_AFTER_S", 0.1)
    reason = wire.Reason(kind=wire.REASON_KIND_NO_LABEL, message="no connected worker has the labels gpu=1")
    fake.tasks = [Task(task_id="a", status=TaskStatus.TASK_STATUS_NOT_STARTED)]
    fake.operator.answers |= {
        "ExplainTask": wire.ExplainTaskResponse(reasons=[reason]),
        "WatchEvents": lambda request: fake.happen(Event(seq=2)) if request.follow else (),
    }

    result = alone(*RUN)

    assert result.code == 1
    lines = result.err.splitlines()
    assert f"swarmctl: a waits: {reason.message}" in lines
    assert "all workers have ended" not in result.err
    assert (
        f"swarmctl: ended, for no worker of this run may take what is left: a waits: {reason.message}"
        in lines
    )
