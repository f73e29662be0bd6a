"""swarmctl in a project: the token and the server that it finds, and what it refuses a session."""

import os
from pathlib import Path

import pytest

from amplifier_swarm import state_paths
from amplifier_swarm.state_paths import ProjectState, project_state
from amplifier_swarm.v1 import operator_service_pb2 as wire
from amplifier_swarm.v1.swarm_pb2 import Swarm
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from fakes.operator_server import RUN, WORKER_TOKEN, FakeOperatorServer
from support.operator import TOKEN, FakeOperator
from unit.client.conftest import Ctl


@pytest.fixture
def state(tmp_path: Path, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch) -> ProjectState:
    """The state of a project in which a server runs; the command line is typed in a folder of it."""
    monkeypatch.delenv("SWARM_TOKEN")
    operator.answers["GetSwarm"] = wire.GetSwarmResponse(swarm=Swarm(version="1"))
    made = project_state(tmp_path)
    state_paths.make_state_folder(made)
    for name, text in (
        ("token", TOKEN),
        ("address", operator.address),
        (state_paths.DB_LOCK, f"{os.getpid()}"),
    ):
        (made.folder / name).write_text(text)
        (made.folder / name).chmod(0o600)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    return made


@pytest.mark.usefixtures("state")
def test_a_command_finds_server_and_token_of_the_project(alone: Ctl, operator: FakeOperator) -> None:
    assert alone("status").code == 0
    assert operator.asked("GetSwarm")


def test_a_given_token_goes_to_the_default_server_not_to_that_of_the_project(
    alone: Ctl, state: ProjectState, operator: FakeOperator
) -> None:
    result = alone("--token-file", str(state.folder / "token"), "version", "-o", "json")

    assert '"server": "127.0.0.1:7433"' in result.out
    assert not operator.requests


def test_a_token_in_the_project_is_found_where_the_user_has_put_it(
    alone: Ctl, state: ProjectState, operator: FakeOperator
) -> None:
    (state.project / ".swarm").mkdir()
    (state.folder / "token").rename(state.project / ".swarm" / "token")

    assert alone("--server", operator.address, "status").code == 0


@pytest.mark.usefixtures("state")
def test_a_session_is_refused_the_token_that_it_finds(
    alone: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_SESSION_ID", "a-a1-builder-1")

    result = alone("accept", "a", "--attempt", "1")

    assert result.code == 4
    assert result.err == (
        "swarmctl: session a-a1-builder-1 may not use the operator's token of its project; leave orders to people,"
        " or pass a token that was made for this by --token-file\n"
    )
    assert not operator.requests


def test_a_session_may_use_a_token_that_it_was_given(
    alone: Ctl, state: ProjectState, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_SESSION_ID", "a-a1-builder-1")

    given = ("--server", operator.address, "--token-file", str(state.folder / "token"))
    assert alone(*given, "status").code == 0


def test_the_workers_of_a_run_get_a_worker_s_token_for_their_owner_alone(
    alone: Ctl, fake: FakeOperatorServer, tmp_path: Path
) -> None:
    assert alone(*RUN).code == 0

    file = tmp_path / "state" / "worker-token"
    assert file.read_text() == f"{WORKER_TOKEN}\n"
    assert file.stat().st_mode & 0o777 == 0o600
    [request] = fake.operator.asked("CreateToken")
    assert request.role == wire.Role.ROLE_WORKER


@pytest.mark.parametrize("known", [True, False])
def test_the_next_run_keeps_the_worker_s_token_while_the_server_knows_it(
    alone: Ctl, fake: FakeOperatorServer, *, known: bool
) -> None:
    assert alone(*RUN).code == 0
    ids = [WORKER_TOKEN.split("_")[2]] if known else []
    fake.operator.answers["ListTokens"] = wire.ListTokensResponse(
        tokens=[wire.Token(token_id=token_id) for token_id in ids]
    )
    fake.tasks, fake.done = [Task(task_id="a"), Task(task_id="b")], False

    assert alone(*RUN).code == 0
    assert len(fake.operator.asked("CreateToken")) == (1 if known else 2)


@pytest.mark.parametrize(
    ("left", "line"),
    [
        ([], None),
        (["a"], "swarmctl: 1 task of an earlier run goes on"),
        (["a", "seeded"], "swarmctl: 2 tasks of an earlier run go on, 1 of them not in plan.yaml: seeded"),
        (
            [f"s{number}" for number in range(7)],
            "swarmctl: 7 tasks of an earlier run go on, 7 of them not in plan.yaml: s0, s1, s2, s3, s4, …",
        ),
    ],
)
def test_a_run_names_the_tasks_of_an_earlier_one_that_go_on(
    alone: Ctl, fake: FakeOperatorServer, left: list[str], line: str | None
) -> None:
    waiting = TaskStatus.TASK_STATUS_NOT_STARTED
    fake.tasks = [Task(task_id=task_id, status=waiting) for task_id in left]

    lines = [text for text in alone(*RUN).err.splitlines() if "earlier run" in text]

    assert lines == ([] if line is None else [line])


def test_a_run_announces_its_server_while_it_lasts(
    alone: Ctl, fake: FakeOperatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ".swarm" / "address"
    seen = []
    complete = fake.operator.answers["WatchEvents"]

    def watched(request: wire.WatchEventsRequest) -> object:
        seen.append(place.read_text())
        return complete(request)

    fake.operator.answers["WatchEvents"] = watched
    state = project_state(tmp_path)
    (tmp_path / "state").symlink_to(state.folder)
    state_paths.make_state_folder(state)

    assert alone("run", "plan.yaml", "--workers", "2").code == 0
    assert set(seen) == {f"{fake.operator.address}\n"}
    assert not place.exists()
    assert {path.name for path in (tmp_path / ".swarm").iterdir()} == {".gitignore"}


def test_a_run_moves_the_database_of_an_earlier_version(
    alone: Ctl, fake: FakeOperatorServer, tmp_path: Path
) -> None:
    state = project_state(tmp_path)
    (tmp_path / "state").symlink_to(state.folder)
    state_paths.make_private_folder(tmp_path / ".swarm")
    (tmp_path / ".swarm" / "swarm.db").touch(mode=0o600)

    result = alone("run", "plan.yaml", "--workers", "2")

    assert result.code == 0
    assert result.err.splitlines()[0] == (
        f"swarmctl: the state of this project has moved from {tmp_path}/.swarm to {state.folder}"
    )
    assert (state.folder / "swarm.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--token-file", "~/token", "status"),
        ("--tls-ca", "~/ca", "status"),
        ("import", "~/plan.yaml"),
        ("run", "~/plan.yaml"),
        ("run", "plan.yaml", "--db", "~/x/swarm.db"),
        ("run", "plan.yaml", "--project-root", "~/ghost"),
        ("doctor", "--project-root", "~/ghost", "--no-server"),
        ("export", "~/x/out.yaml"),
        ("backup", "~/x/out.db"),
    ],
)
def test_a_tilde_is_the_home_folder_in_every_flag_and_argument(
    ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    ctl(*arguments)

    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--token-file", "~ghost/token", "status"),
        ("import", "~ghost/plan.yaml"),
        ("run", "plan.yaml", "--db", "~ghost/x/swarm.db"),
        ("export", "~ghost/out.yaml"),
        ("backup", "~ghost/out.db"),
    ],
)
def test_a_home_folder_of_nobody_is_one_line(ctl: Ctl, arguments: tuple[str, ...]) -> None:
    result = ctl(*arguments)

    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "there is no user ghost; for a file of that name write ./~ghost/" in result.err


def test_the_home_folder_is_used_for_a_variable_too(
    ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SWARM_TOKEN_FILE", "~/my-token")
    (tmp_path / "my-token").touch(mode=0o600)

    assert ctl("status").err.startswith(f"swarmctl: the token file {tmp_path}/my-token is empty")
