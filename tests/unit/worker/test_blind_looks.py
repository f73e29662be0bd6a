"""A look at /proc that fails, for example without free descriptors, never counts as "nothing is left"."""

import asyncio
import builtins
import errno
import os
import resource
import subprocess
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.masking import Mask
from support.waiting import eventually
from swarm_worker.domain.model import KillReceipt, Outcome, OutcomeKind
from swarm_worker.execution.factory import AttemptFactory
from swarm_worker.guard import fork_server, procfs
from swarm_worker.guard.containment import remove_cgroup
from swarm_worker.guard.guard_tree import end_guard, is_alive, is_stopped
from swarm_worker.guard.marked import STATE_MARKER, find_marked
from swarm_worker.guard.procfs import BlindError, Process, children, descendants, pids, stat, unless_blind
from swarm_worker.guard.session_guard import Killed, SessionGuard
from swarm_worker.supervision import guard_locks
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guard_locks import GuardLock, remove_if_free
from swarm_worker.supervision.guarded_run import GuardedRun, run_guarded
from swarm_worker.supervision.leftovers import Leftovers
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor

BLIND = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
NOT_OURS = (errno.ENOENT, errno.ESRCH, errno.EACCES)
Blinder = Callable[[int], None]


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Blinder:
    """Makes each look at /proc fail with the error."""

    def make_blind(number: int) -> None:
        def failing(call: Callable[..., Any], path: object, *args: object, **options: object) -> object:
            if str(path).startswith("/proc"):
                raise OSError(number, os.strerror(number), path)
            return call(path, *args, **options)

        monkeypatch.setattr(builtins, "open", partial(failing, builtins.open))
        monkeypatch.setattr(os, "listdir", partial(failing, os.listdir))
        monkeypatch.setattr(Path, "read_bytes", lambda path: failing(lambda _: b"", path))

    return make_blind


@pytest.fixture
def session() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], env={"PATH": os.defpath, STATE_MARKER: "x"})
    yield process
    process.kill()
    process.wait()


LOOKS: dict[str, Callable[[int], object]] = {
    "stat": stat,
    "children": children,
    "descendants": descendants,
    "pids": lambda _: pids(),
    "alive": lambda pid: is_alive(Process(pid, "1")),
    "marked": lambda _: find_marked(frozenset({b"A=1"})),
    "leftovers": lambda _: Leftovers("x").find_alive(),
}


@pytest.mark.parametrize("number", BLIND)
@pytest.mark.parametrize("name", LOOKS)
def test_a_look_that_fails_is_no_look(name: str, number: int, blind: Blinder) -> None:
    blind(number)

    with pytest.raises(BlindError):
        LOOKS[name](os.getpid())
    assert unless_blind(partial(LOOKS[name], os.getpid())) is None


@pytest.mark.parametrize("number", NOT_OURS)
def test_a_process_that_has_ended_or_is_another_users_is_not_there(number: int, blind: Blinder) -> None:
    blind(number)

    assert stat(1) is None
    assert children(1) == []


def test_a_guard_of_which_nobody_can_tell_survives(session: subprocess.Popen[bytes], blind: Blinder) -> None:
    found = stat(session.pid)
    assert found
    blind(errno.EMFILE)

    assert end_guard(found.process, timeout_s=0.1) == {found.process}
    assert not is_stopped(session.pid)
    assert session.poll() is None


async def test_orphans_of_which_nobody_can_tell_are_survivors(
    blind: Blinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_worker.supervision.supervisor.UNKILLABLE_S", 0.2)
    supervisor = ProcessSupervisor()
    supervisor._is_subreaper = True
    blind(errno.EMFILE)

    assert (await supervisor.kill_orphans()).survivors == 1


async def test_a_worker_does_not_start_while_nobody_can_tell_what_is_left(
    blind: Blinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_worker.supervision.supervisor.UNKILLABLE_S", 0.2)
    blind(errno.EMFILE)

    with pytest.raises(ProgramExit, match="can't look at /proc"):
        await ProcessSupervisor(instance=uuid.uuid4().hex).kill_leftovers()


def test_processes_outside_the_tree_of_which_nobody_can_tell_are_survivors(blind: Blinder) -> None:
    guard = SessionGuard.__new__(SessionGuard)
    env = {STATE_MARKER: "x", "SWARM_TASK_ID": "t", "SWARM_ATTEMPT": "1"}
    guard._plan = cast("Any", SimpleNamespace(env=env))
    guard._wait = guard._update = lambda *_: None  # type: ignore[method-assign,assignment]
    blind(errno.EMFILE)

    assert guard._kill_outside(until=0) == Killed(0, 1)


@pytest.mark.parametrize("number", BLIND)
def test_a_control_group_that_cannot_be_looked_at_is_not_gone(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: object) -> object:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "scandir", scandir)

    assert not remove_cgroup(str(tmp_path))


def test_the_fork_server_asks_the_kernel_for_its_children(
    session: subprocess.Popen[bytes], blind: Blinder
) -> None:
    blind(errno.EMFILE)

    assert fork_server._has_child()
    assert session.poll() is None


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fds(path: Path) -> bool:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    monkeypatch.setattr(guard_locks, "remove_if_free", no_fds)


@pytest.mark.usefixtures("no_locks")
def test_a_lock_that_cannot_be_opened_is_left_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"

    with GuardLock(path) as lock:
        lock.acquire()

    assert path.exists()
    assert remove_if_free(path)


@pytest.mark.usefixtures("no_locks")
async def test_a_lock_that_cannot_be_opened_is_not_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_locks, "UNKILLABLE_S", 0.1)

    with pytest.raises(OSError, match="Too many open files"):
        await GuardLock(tmp_path / "a.lock").wait_free()


async def test_an_own_lock_is_free_after_a_start_that_failed(tmp_path: Path) -> None:
    with GuardLock(tmp_path / "a.lock") as lock:
        lock.acquire()
        async with asyncio.timeout(5):
            await lock.wait_free()


def test_a_limit_that_a_session_lowered_is_taken_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before == procfs.FDS_AT_START
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        first = unless_blind(partial(stat, os.getpid()))
        second = unless_blind(partial(stat, os.getpid()))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert first is None
    assert second is not None


def test_the_receipt_of_an_outcome_that_cannot_be_sent_stands() -> None:
    survivors = KillReceipt(survivors=1)
    factory = AttemptFactory(cast("Any", None), Mask())

    fault = factory.fault(OSError("no descriptors"), Outcome(OutcomeKind.STOPPED, kill_receipt=survivors))

    assert fault.kill_receipt == survivors
    assert factory.fault(OSError("no descriptors")).kill_receipt is None


async def test_a_fault_after_the_start_of_a_run_is_no_fault_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_fds(run: GuardedRun) -> RunEnd:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(GuardedRun, "wait", no_fds)
    fence = Fence()
    fence.set_stop_after(20, since=now_s())
    launch = Launch(["sleep", "60"], tmp_path, {"PATH": os.defpath}, tmp_path / "a.lock")
    sink = SimpleNamespace(stall_factor=1.0, stdout=bytes, stderr=bytes)

    ended = await run_guarded(
        launch, limits=RunLimits(60, 0, 0.2), fence=fence, stop=Stop(grace_s=0.2), sink=sink
    )

    assert ended.cause is EndCause.LOST
    assert ended.receipt.survivors == 1
    assert "Too many open files" in ended.error
    await eventually(lambda: remove_if_free(launch.lock), "its guard ends the session")
