"""Tokens from files and variables, as people and Kubernetes write them; every hint can be followed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from amplifier_swarm.credentials import find_token, read_token
from amplifier_swarm.exits import ExitCode, ProgramExit

TOKEN = "swt1_worker_0123456789ab_abcdefghijklmnopqrstuvwxyz"


def _file(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "data",
    [
        TOKEN.encode(),
        f"{TOKEN}\n".encode(),
        f"\r\n  {TOKEN}\r\n\r\n".encode(),
        b"\xef\xbb\xbf" + TOKEN.encode(),
        f"# the night fleet\n{TOKEN}\n# made by hand\n".encode(),
    ],
)
def test_a_token_is_read_however_an_editor_saved_it(tmp_path: Path, data: bytes) -> None:
    assert read_token(_file(tmp_path / "token", data)) == TOKEN


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (f"{TOKEN} # mine\n".encode(), "does not hold a token"),
        (f"{TOKEN}\n{TOKEN}\n".encode(), "holds 2 lines"),
        (f"{TOKEN}é".encode(), "does not hold a token"),
        (TOKEN.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"\xff\x00\x80", "is not valid UTF-8"),
    ],
)
def test_a_file_without_a_token_is_named_and_its_content_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, fault: str
) -> None:
    monkeypatch.delenv("SWARM_TOKEN", raising=False)
    path = _file(tmp_path / "token", data)

    with pytest.raises(ProgramExit) as end:
        find_token(path)

    assert end.value.code is ExitCode.UNAUTHENTICATED
    assert f"the token file {path} {fault}" in end.value.message
    assert "SWARM_TOKEN" not in end.value.message, "the variable is not to blame"
    assert TOKEN not in end.value.line("swarmctl")


@pytest.mark.parametrize("mode", [0o640, 0o440, 0o604, 0o666])
def test_a_file_of_this_user_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = _file(tmp_path / "token", TOKEN.encode(), mode)

    with pytest.raises(ProgramExit, match="may be read by others") as end:
        read_token(path)

    assert end.value.hint == f"chmod 600 {path}, or give the token in the variable SWARM_TOKEN"
    with pytest.raises(ProgramExit) as end:
        read_token(path, variable="")
    assert end.value.hint == f"chmod 600 {path}"


@pytest.fixture(params=["another owner", "a read-only mount"])
def unchangeable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes all files look like a mounted secret."""
    if request.param == "another owner":
        uid = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        return
    real: Callable[[int], os.statvfs_result] = os.fstatvfs

    def read_only(fd: int) -> os.statvfs_result:
        values = list(real(fd))
        values[8] |= os.ST_RDONLY
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "fstatvfs", read_only)


@pytest.mark.usefixtures("unchangeable")
def test_a_mounted_secret_may_be_readable_by_its_group(tmp_path: Path) -> None:
    _file(tmp_path / "..data", TOKEN.encode(), 0o440)
    (tmp_path / "token").symlink_to("..data")

    assert read_token(tmp_path / "token") == TOKEN


@pytest.mark.usefixtures("unchangeable")
def test_a_mounted_secret_that_everyone_may_read_is_refused_with_a_hint_for_mounts(tmp_path: Path) -> None:
    path = _file(tmp_path / "token", TOKEN.encode(), 0o444)

    with pytest.raises(ProgramExit, match="may be read by others") as end:
        read_token(path)

    assert "chmod" not in end.value.hint
    assert "defaultMode" in end.value.hint


def test_a_token_from_a_pipe_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, f"{TOKEN}\n".encode())
    os.close(writer)

    assert read_token(Path(f"/dev/fd/{reader}")) == TOKEN
    os.close(reader)


def test_the_variable_is_stripped_and_blamed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWARM_TOKEN", f" {TOKEN}\n")
    assert find_token(None) == TOKEN

    monkeypatch.setenv("SWARM_TOKEN", "two words")
    with pytest.raises(ProgramExit, match="the variable SWARM_TOKEN does not hold a token"):
        find_token(None)


def test_a_deleted_working_directory_is_one_line_unless_a_token_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.delenv("SWARM_TOKEN", raising=False)

    with pytest.raises(ProgramExit, match="the working directory can't be used"):
        find_token(None)
    monkeypatch.setenv("SWARM_TOKEN", TOKEN)
    assert find_token(None) == TOKEN
    os.chdir(tmp_path)
