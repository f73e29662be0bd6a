"""State folders of projects: their places, their `.gitignore`, and the address of the running server."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from amplifier_swarm import state_paths
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.state_paths import STATE, ProjectState, project_state


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git work tree in which the test works."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q")
    return folder


def git(*argv: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(["git", *identity, *argv], capture_output=True, text=True, check=True).stdout


def test_each_project_has_a_state_folder_of_its_own_outside_of_it(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "else" / "project"
    other.mkdir(parents=True)
    state = project_state(project)

    assert state.folder.parent == tmp_path / "state-home" / "amplifier-swarm"
    assert state.folder.name.endswith("-project")
    assert project_state(other).folder != state.folder


def test_a_project_is_known_by_its_real_path(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)

    assert project_state(tmp_path / "link") == project_state(Path()) == project_state(project)


@pytest.mark.parametrize("name", ["with blank", "näme", "\udcff", "." * 8, "x" * 200])
def test_any_name_of_a_project_makes_a_plain_folder_name(tmp_path: Path, name: str) -> None:
    found = project_state(tmp_path / name).folder.name

    assert found.isascii()
    assert len(found) < 60
    assert not set(found) & set(" /\\\n")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/amplifier-swarm"),
        ({"HOME": "/h"}, "/h/.local/state/amplifier-swarm"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/amplifier-swarm"),
        # The specification has relative paths ignored.
        ({"XDG_STATE_HOME": "here", "HOME": "/h"}, "/h/.local/state/amplifier-swarm"),
    ],
)
def test_the_state_of_all_projects_lies_where_the_platform_keeps_state(
    variables: dict[str, str], expected: str
) -> None:
    assert state_paths.state_home(variables) == Path(expected)


def test_a_user_without_a_home_folder_gets_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(ProgramExit) as refused:
        state_paths.state_home({})

    assert refused.value.code is ExitCode.USAGE
    assert "no home folder" in refused.value.line("swarmd")


def test_a_working_directory_that_is_gone_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(ProgramExit, match="the working directory can't be used"):
        state_paths.working_folder()


def test_only_a_default_is_placed_in_the_state_folder(project: Path) -> None:
    state = project_state(project)

    assert state.path(STATE / "swarm.db") == state.folder / "swarm.db"
    assert state.path(Path("x/swarm.db")) == Path("x/swarm.db")


def test_the_state_folder_is_for_its_owner_alone_and_names_its_project(project: Path) -> None:
    state = project_state(project)
    state_paths.make_state_folder(state)

    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    assert (state.folder / "project").read_text() == f"{project}\n"


def test_the_project_holds_the_address_while_a_server_runs(project: Path) -> None:
    state = project_state(project)
    state_paths.make_state_folder(state)
    (state.folder / state_paths.DB_LOCK).write_text(str(os.getpid()))

    with state.announced("127.0.0.1:1"):
        assert (project / ".swarm" / "address").read_text() == "127.0.0.1:1\n"
        assert state.server_address() == "127.0.0.1:1"
    assert not (project / ".swarm" / "address").exists()
    assert state.server_address() is None


def test_the_address_that_clients_read_is_not_the_one_in_the_project(project: Path) -> None:
    """A session could write the address of a server of its own, which would be sent the token."""
    state = project_state(project)
    state_paths.make_state_folder(state)
    (state.folder / state_paths.DB_LOCK).write_text(str(os.getpid()))

    with state.announced("127.0.0.1:1"):
        (project / ".swarm" / "address").write_text("203.0.113.1:1\n")
        assert state.server_address() == "127.0.0.1:1"
    assert (project / ".swarm" / "address").exists(), "the file of another is left alone"


def test_the_address_of_a_server_that_is_gone_is_not_used(project: Path) -> None:
    state = project_state(project)
    state_paths.make_state_folder(state)
    (state.folder / "address").write_text("127.0.0.1:1\n")
    # Beyond the largest number of a process.
    (state.folder / state_paths.DB_LOCK).write_text(str(2**22 + 1))

    assert state.server_address() is None


def test_a_link_in_the_place_of_the_projects_folder_is_not_followed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / ".swarm").symlink_to(tmp_path / "elsewhere")
    state = project_state(project)
    state_paths.make_state_folder(state)

    with state.announced("127.0.0.1:1"):
        assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_project_that_can_not_be_written_still_has_its_state(tmp_path: Path) -> None:
    state = ProjectState(tmp_path / "missing", tmp_path / "state")
    state_paths.make_state_folder(state)

    with state.announced("127.0.0.1:1"):
        assert (state.folder / "address").exists()


def test_git_sees_the_prompts_of_a_project_and_nothing_else_of_ours(project: Path) -> None:
    (project / ".swarm" / "prompts").mkdir(parents=True)
    (project / ".swarm" / "prompts" / "builder.md").write_text("x")
    (project / ".swarm" / "swarm.db").write_text("x")
    assert state_paths.shield_database(project / ".swarm" / "swarm.db") == ""

    git("add", "-A")

    assert git("ls-files").split() == [".swarm/prompts/builder.md"]


@pytest.mark.parametrize("argv", [("stash", "-u"), ("clean", "-fd"), ("add", "-A")])
def test_git_leaves_a_state_folder_that_the_user_put_into_the_project(
    project: Path, argv: tuple[str, ...]
) -> None:
    git("commit", "-q", "--allow-empty", "-m", "0")
    folder = project / "state"
    (folder / "logs").mkdir(parents=True)
    names = ("swarm.db", "swarm.db-wal", "token", "EPOCH", "logs/worker-1.log")
    for name in names:
        (folder / name).write_text("x")

    assert state_paths.shield_database(folder / "swarm.db") == ""
    (project / "new.txt").write_text("x")
    git(*argv)

    assert all((folder / name).exists() for name in names)
    assert "state" not in git("ls-files")


def test_a_database_among_the_files_of_a_project_is_warned_of_and_hides_none(project: Path) -> None:
    (project / "main.py").write_text("x")
    (project / "swarm.db").write_text("x")

    warning = state_paths.shield_database(project / "swarm.db")

    assert str(project) in warning
    assert not (project / ".gitignore").exists()


@pytest.mark.parametrize("other", ["swarm.db.py", "swarm.dbx", "main.py"])
def test_only_names_of_ours_make_a_folder_ours(project: Path, other: str) -> None:
    (project / other).write_text("x")
    ours = other == "swarm.db.py"
    (project / "state").mkdir()
    (project / "state" / other).write_text("x")

    assert (state_paths.shield_database(project / "state" / "swarm.db") == "") is ours


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give folders away")
def test_a_state_folder_of_another_user_is_refused(project: Path) -> None:
    state = project_state(project)
    state_paths.make_private_folder(state.folder)
    os.chown(state.folder, 4242, 4242)

    with pytest.raises(ProgramExit, match="belongs to another user"):
        state_paths.make_state_folder(state)


def test_a_gitignore_of_the_user_stays_as_it_is(project: Path) -> None:
    (project / "state").mkdir()
    (project / "state" / ".gitignore").write_text("token\n")
    state_paths.shield_database(project / "state" / "swarm.db")

    assert (project / "state" / ".gitignore").read_text() == "token\n"
