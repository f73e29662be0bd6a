"""Orphans and leftovers of former processes are killed before a session starts; other processes are not touched."""

import asyncio
import os
import signal
import uuid
from collections.abc import Iterator

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from support.waiting import eventually
from swarm_worker.guard.marked import STATE_MARKER
from swarm_worker.guard.procfs import (
    PR_SET_CHILD_SUBREAPER,
    descendants,
    kill_frozen,
    prctl,
    send_signal,
    stat,
    with_descendants,
)
from swarm_worker.supervision.leftovers import Leftovers
from swarm_worker.supervision.supervisor import ORPHAN_POLL_S, ProcessSupervisor, choose_containment


@pytest.fixture(autouse=True)
def _no_subreaper() -> Iterator[None]:
    """Makes the test process an ordinary parent again after each test."""
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0)


async def _sleeper(instance: str, *wrap: str) -> asyncio.subprocess.Process:
    env = {"PATH": os.defpath, STATE_MARKER: ProcessSupervisor(instance=instance).state_mark}
    return await asyncio.create_subprocess_exec(*wrap, "sleep", "60", env=env, start_new_session=True)


async def test_processes_with_the_mark_of_the_state_folder_are_killed_with_their_descendants() -> None:
    instance, other = uuid.uuid4().hex, uuid.uuid4().hex
    ours, unmarked, foreign = (
        await _sleeper(instance),
        await _sleeper(instance, "/bin/sh", "-c", 'env -i "$@"; exit', "sh"),
        await _sleeper(other),
    )
    try:
        await eventually(lambda: descendants(unmarked.pid), "the shell has a child")
        [child] = descendants(unmarked.pid)

        await ProcessSupervisor(instance=instance).kill_leftovers()

        assert await ours.wait() == await unmarked.wait() == -9
        found = stat(child.pid)
        assert found is None or found.process != child or found.state in "ZX"
        assert foreign.returncode is None
    finally:
        foreign.kill()
        await foreign.wait()


async def test_neither_this_process_nor_one_above_it_is_ever_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leftovers, "_is_marked", lambda self, pid: pid in {os.getpid(), os.getppid()})

    await ProcessSupervisor(instance=uuid.uuid4().hex).kill_leftovers()

    assert stat(os.getppid())


async def test_a_child_that_a_guard_did_not_start_is_no_orphan() -> None:
    supervisor = ProcessSupervisor()
    await supervisor.kill_leftovers()
    guard = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    helper = await asyncio.create_subprocess_exec("sleep", "60", process_group=0)
    orphan = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    supervisor.guards._alive.add(guard.pid)
    try:
        receipt = await supervisor.kill_orphans()

        assert (receipt.processes_found, receipt.killed, receipt.survivors) == (1, 1, 0)
        assert stat(orphan.pid) is None
        assert guard.returncode is None
        assert helper.returncode is None
    finally:
        for process in (guard, helper):
            process.kill()
            await process.wait()


async def test_orphans_are_not_killed_while_a_guard_without_a_known_number_may_start() -> None:
    supervisor = ProcessSupervisor()
    await supervisor.kill_leftovers()
    async with supervisor.guards._fork_lock:
        guard = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
        killing = asyncio.create_task(supervisor.kill_orphans())
        for _ in range(3):
            await asyncio.sleep(ORPHAN_POLL_S)
        supervisor.guards._alive.add(guard.pid)
    try:
        assert (await killing).killed == 0
        assert stat(guard.pid)
    finally:
        guard.kill()
        await guard.wait()


@pytest.mark.parametrize("asks", [True, False])
async def test_a_tree_is_seen_whole_whether_the_kernel_lists_children_or_not(
    monkeypatch: pytest.MonkeyPatch, *, asks: bool
) -> None:
    shell = "sleep 60 & (sleep 60 & wait) & wait"
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", shell)
    if not asks:
        monkeypatch.setattr("swarm_worker.guard.procfs.os.path.exists", lambda path: False)
    try:
        await eventually(lambda: len(descendants(process.pid)) == 3, "the tree is complete")
    finally:
        kill_frozen([*descendants(process.pid), *with_descendants([process.pid])])
        await process.wait()

    assert with_descendants([process.pid]) == set()


async def test_a_signal_never_reaches_a_later_process_with_the_number() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    found = stat(process.pid)
    assert found
    try:
        send_signal(found.process._replace(started="1"), signal.SIGKILL)
        send_signal(found.process, signal.SIGTERM)

        assert await process.wait() == -signal.SIGTERM
    finally:
        if process.returncode is None:
            process.kill()


def test_refused_namespaces_end_the_worker_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "swarm_worker.supervision.supervisor.PROBE",
        "import sys; sys.exit('unshare: Operation not permitted')",
    )

    with pytest.raises(ProgramExit) as caught:
        choose_containment("pidns")

    assert caught.value.code == ExitCode.USAGE
    assert "--containment pidns is refused here: unshare: Operation not permitted" in caught.value.line(
        "worker"
    )


def test_a_mark_is_unique_to_its_state_folder_and_does_not_reveal_the_instance() -> None:
    instances = [uuid.uuid4().hex for _ in range(1_000)]
    marks = {ProcessSupervisor(instance=instance).state_mark for instance in instances}

    assert len(marks) == len(instances)
    assert all(
        4 * (len(instance) - len(ProcessSupervisor(instance=instance).state_mark)) >= 64
        for instance in instances
    )
