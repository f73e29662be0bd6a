"""The state folder: it has one owner, and the outcomes in it survive crashes."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1 import task_pb2
from amplifier_swarm.v1.worker_service_pb2 import FinishedAttempt
from swarm_worker.domain.names import host_part
from swarm_worker.storage.files import write_private
from swarm_worker.storage.outbox import Outbox
from swarm_worker.storage.state_dir import state_folder


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_workers_without_a_name_take_the_first_free_number(tmp_path: Path, stack: ExitStack) -> None:
    first = stack.enter_context(state_folder(tmp_path, name=""))
    with state_folder(tmp_path, name="") as second:
        assert (first.name, second.name) == (f"{host_part()}-1", f"{host_part()}-2")

    with state_folder(tmp_path, name="") as third:
        assert third.name == second.name
        assert third.instance == second.instance
    assert first.instance != second.instance


def test_a_copy_of_a_folder_is_another_folder(tmp_path: Path, stack: ExitStack) -> None:
    """Else the copy's owner would prove the death of the original's, and would end its sessions."""
    original = stack.enter_context(state_folder(tmp_path / "a", name="w1"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with state_folder(tmp_path / "b", name="w1") as copy:
        assert copy.instance != original.instance

    stack.close()
    (tmp_path / "a").rename(tmp_path / "c")
    with state_folder(tmp_path / "c", name="w1") as moved, state_folder(tmp_path / "b", name="w1") as again:
        assert (moved.instance, again.instance) == (original.instance, copy.instance)


def test_a_lock_that_somebody_removed_does_not_make_two_owners_of_one_folder(
    tmp_path: Path, stack: ExitStack
) -> None:
    first = stack.enter_context(state_folder(tmp_path, name="w1"))
    (tmp_path / "w1" / "lock").unlink()

    assert stack.enter_context(state_folder(tmp_path, name="w1")).instance != first.instance


def test_each_process_numbers_its_streams_above_all_former_ones(tmp_path: Path) -> None:
    def begin() -> int:
        with state_folder(tmp_path, name="w1") as folder:
            return folder.stream_seq

    first, second = begin(), begin()
    (tmp_path / "w1" / "openings").write_text(f"{2**60}\n")
    ahead_of_the_clock = begin()
    (tmp_path / "w1" / "openings").write_text("damaged")

    assert second >= first + 2**32
    assert ahead_of_the_clock > 2**60
    assert begin() >= first, "the clock serves where the file does not"


def test_a_name_that_is_taken_is_a_conflict_that_names_the_process(tmp_path: Path, stack: ExitStack) -> None:
    stack.enter_context(state_folder(tmp_path, name="w1"))

    with pytest.raises(ProgramExit, match=rf"'w1' runs here already \(pid {os.getpid()}\)") as refused:
        stack.enter_context(state_folder(tmp_path, name="w1"))

    assert refused.value.code is ExitCode.CONFLICT


def test_only_its_user_may_read_the_folder(tmp_path: Path, stack: ExitStack) -> None:
    folder = stack.enter_context(state_folder(tmp_path / "a" / "b", name="w1"))

    assert [_mode(path) for path in (folder.path, folder.outbox, folder.path / "guards")] == [0o700] * 3
    write_private(folder.path / "file", "text")
    assert _mode(folder.path / "file") == 0o600
    assert _mode(folder.path / "instance") == 0o600
    assert _mode(tmp_path / "a") == 0o700


def test_a_folder_that_can_not_be_written_gives_one_line(tmp_path: Path, stack: ExitStack) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ProgramExit, match=r"can't use --state-dir .*: Not a directory") as refused:
        stack.enter_context(state_folder(tmp_path / "file" / "below", name="w1"))

    assert refused.value.code is ExitCode.USAGE


def test_a_former_process_s_prompts_are_removed(tmp_path: Path, stack: ExitStack) -> None:
    folder = stack.enter_context(state_folder(tmp_path, name="w1"))
    folder.session_file("s1", "prompt.md").touch()

    folder.forget_sessions()

    assert list((folder.path / "sessions").iterdir()) == []


def _finished(lease_id: str) -> FinishedAttempt:
    return FinishedAttempt(
        lease_id=lease_id, outcome=task_pb2.Outcome(kind=task_pb2.OUTCOME_KIND_FAILED, error="why")
    )


def test_the_outbox_returns_an_outcome_until_it_is_removed(tmp_path: Path) -> None:
    first, second = _finished("1.1.secret/../x"), _finished("lease two")
    outbox = Outbox(tmp_path)
    outbox.write([first])
    outbox.write([second])
    outbox.write([second])

    found = Outbox(tmp_path).load()
    assert sorted(item.lease_id for item in found) == ["1.1.secret/../x", "lease two"]
    assert all(item.outcome == first.outcome for item in found)

    outbox.remove(first.lease_id)
    outbox.remove(first.lease_id)
    assert Outbox(tmp_path).load() == [second]
    assert not any("secret" in path.name for path in tmp_path.iterdir())


def test_outcomes_of_one_write_share_a_file_until_the_last_is_removed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.write([_finished("first"), _finished("second"), _finished("third")])

    outbox.remove("first")
    outbox.set_aside("second")
    assert [path.suffix for path in sorted(tmp_path.glob("*.outcome"))] == [".outcome"]

    next_life = Outbox(tmp_path)
    for finished in next_life.load():
        next_life.remove(finished.lease_id)

    assert [path.suffix for path in tmp_path.iterdir()] == [".refused"]


def test_an_outcome_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(fd: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        real_fsync(fd)

    def rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(path, target)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)

    Outbox(tmp_path).write([_finished("lease")])

    assert steps == ["file", "rename", "folder"]


def test_a_partial_outcome_is_set_aside(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.write([_finished("lease")])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    (tmp_path / "begun.new").write_bytes(b"x")

    assert outbox.load() == []
    assert file.with_suffix(".refused").exists()
    assert outbox.load() == []


def test_a_refused_outcome_is_set_aside_and_not_sent_again(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.write([_finished("lease")])

    outbox.set_aside("lease")
    outbox.set_aside("lease")

    assert outbox.load() == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".refused"]
