"""Lock files of guards: held until a session has ended, removed by whoever finds them free."""

import fcntl
import os
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarm_worker.storage.state_dir import state_folder
from swarm_worker.supervision.guard_locks import GuardLock, wait_for_guards


def _guards_copy(path: Path) -> int:
    """Returns a descriptor of a taken lock, as a guard would have it."""
    with GuardLock(path) as lock:
        return os.dup(lock.acquire())


def test_a_new_process_waits_for_the_guards_of_the_former_one(tmp_path: Path) -> None:
    with state_folder(tmp_path, name="w1") as folder:
        guard = _guards_copy(folder.guard_lock("t-a1-builder-1"))
        ended = _guards_copy(folder.guard_lock("t-a2-builder-1"))
        os.close(ended)

        with pytest.raises(ProgramExit, match="the session t-a1-builder-1 of the former process") as refused:
            wait_for_guards(folder, timeout_s=0.1)
        assert refused.value.code is ExitCode.CONFLICT
        os.close(guard)
        wait_for_guards(folder, timeout_s=0.1)

        assert list((folder.path / "guards").iterdir()) == []


def test_a_lock_is_not_inherited_by_programs(tmp_path: Path) -> None:
    with GuardLock(tmp_path / "lock") as lock:
        assert fcntl.fcntl(lock.acquire(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_a_lock_file_is_removed_when_its_context_ends_unless_a_guard_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    guard = _guards_copy(path)
    assert path.exists()
    with pytest.raises(BlockingIOError), GuardLock(path) as second:
        second.acquire()
    assert path.exists()
    os.close(guard)
    with GuardLock(path) as third:
        third.acquire()

    assert not path.exists()
