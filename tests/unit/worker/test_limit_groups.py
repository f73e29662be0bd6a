"""Limits of sessions by real control groups: which one was reached, and that nobody else is harmed."""

import asyncio
import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.sinks import MergedSink
from support.waiting import eventually
from swarm_worker.domain.sandbox import Resource, ResourceLimits
from swarm_worker.guard.limit_groups import LimitGroup, make_groups, reached_limits, remove_groups
from swarm_worker.supervision import limit_groups
from swarm_worker.supervision.fence import Fence, now_s
from swarm_worker.supervision.guarded_run import run_guarded
from swarm_worker.supervision.limit_groups import LimitGroups, find_limit_groups
from swarm_worker.supervision.model import EndCause, Launch, RunEnd, RunLimits
from swarm_worker.supervision.stop_signal import Stop
from swarm_worker.supervision.supervisor import ProcessSupervisor

MIB = 1024**2
HUNGRY = "kept = []\nwhile True: kept.append(bytearray(8 << 20))"
# A child eats; its parent would go on, whatever becomes of the child.
HUNGRY_CHILD = (
    f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {HUNGRY!r}])\ntime.sleep(600)"
)
FORKING = (
    "import os, time\nwhile True:\n  try: os.fork() or time.sleep(600)\n  except OSError: time.sleep(0.1)"
)


@pytest.fixture
def groups() -> LimitGroups:
    found = find_limit_groups()
    if len(found.parents) < len(Resource):
        pytest.skip(f"no limits here: {found.reason}")
    return found


@dataclass
class Place:
    """A supervisor whose sessions have limits."""

    folder: Path
    groups: LimitGroups
    instance: str = field(default_factory=lambda: uuid.uuid4().hex)
    output: MergedSink = field(default_factory=MergedSink)

    def __post_init__(self) -> None:
        self.supervisor = ProcessSupervisor(instance=self.instance, limit_groups=self.groups)

    async def run(self, program: str, limits: ResourceLimits, *, name: str = "one") -> RunEnd:
        launch = Launch(
            (sys.executable, "-I", "-S", "-c", program),
            self.folder,
            {"PATH": os.defpath},
            self.folder / f"{name}.lock",
            limits=limits,
        )
        fence = Fence(self.supervisor)
        fence.set_stop_after(60, since=now_s())
        bounds = RunLimits(timeout_s=30, stall_s=0, grace_s=0.5)
        return await run_guarded(launch, limits=bounds, fence=fence, stop=Stop(grace_s=0.5), sink=self.output)

    def left(self) -> list[str]:
        """Returns the groups of this supervisor that are left."""
        parents = set(self.groups.parents.values())
        mark = self.supervisor.state_mark
        return [str(each) for parent in parents for each in Path(parent).iterdir() if mark in each.name]

    def quotas(self) -> list[str]:
        """Returns the words of the files that limit processor time."""
        names = ("cpu.cfs_quota_us", "cpu.max")
        files = [Path(group, name) for group in self.left() for name in names]
        return [word for file in files if file.exists() for word in file.read_text("ascii").split()]


@pytest.fixture
def place(tmp_path: Path, groups: LimitGroups) -> Place:
    return Place(tmp_path, groups)


@pytest.mark.parametrize("program", [HUNGRY, HUNGRY_CHILD])
async def test_a_session_that_needs_too_much_memory_ends_with_its_name(place: Place, program: str) -> None:
    ended = await place.run(program, ResourceLimits(memory_bytes=64 * MIB))

    assert (ended.cause, ended.error) == (EndCause.LIMIT, "memory (64M)")
    assert ended.receipt.survivors == 0
    assert place.left() == []


@pytest.mark.slow
async def test_a_session_that_starts_too_many_processes_ends_with_their_name(place: Place) -> None:
    ended = await place.run(FORKING, ResourceLimits(pids=20))

    assert (ended.cause, ended.error) == (EndCause.LIMIT, "pids (20)")
    assert ended.receipt.survivors == 0
    assert place.left() == []


@pytest.mark.slow
async def test_a_neighbour_within_its_own_limits_is_not_harmed(place: Place) -> None:
    quiet = (
        "import time\nkept = bytearray(32 << 20)\nprint('ready', flush=True)\ntime.sleep(2)\nprint(len(kept))"
    )
    limits = ResourceLimits(memory_bytes=64 * MIB, pids=20)
    neighbour = asyncio.create_task(place.run(quiet, limits, name="two"))
    await eventually(lambda: b"ready" in place.output.out, "the neighbour runs")

    greedy = await place.run(HUNGRY, limits)
    ended = await neighbour

    assert greedy.cause is EndCause.LIMIT
    assert (ended.cause, ended.exit_code) == (EndCause.EXIT, 0)


async def test_a_session_within_its_limits_ends_as_without_them(place: Place) -> None:
    limits = ResourceLimits(memory_bytes=128 * MIB, cpus=0.5, pids=20)

    ended = await place.run("print(sum(range(1000)))", limits)

    assert (ended.cause, ended.exit_code, bytes(place.output.out)) == (EndCause.EXIT, 0, b"499500\n")
    assert place.left() == []


@pytest.mark.slow
async def test_processor_time_is_set_in_the_session_s_own_group(place: Place) -> None:
    program = "import time; print('ready', flush=True); time.sleep(1)"
    running = asyncio.create_task(place.run(program, ResourceLimits(cpus=0.5)))
    await eventually(lambda: b"ready" in place.output.out, "the session runs")

    words = place.quotas()

    assert (await running).exit_code == 0
    assert "50000" in words


async def test_a_limit_that_can_t_be_kept_starts_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, LimitGroups(reason="no groups at all"))

    ended = await place.run("print('ran')", ResourceLimits(memory_bytes=64 * MIB))

    assert (ended.cause, bytes(place.output.out)) == (EndCause.SPAWN, b"")
    assert "memory can't be limited here: no groups at all" in ended.error


async def test_a_group_that_can_t_be_made_starts_nothing(tmp_path: Path, groups: LimitGroups) -> None:
    broken = LimitGroups(dict.fromkeys(groups.parents, str(tmp_path / "absent")), groups.files)
    place = Place(tmp_path, broken)

    ended = await place.run("print('ran')", ResourceLimits(pids=20))

    assert (ended.cause, bytes(place.output.out)) == (EndCause.SPAWN, b"")
    assert "can't limit the session" in ended.error


async def test_a_new_worker_removes_the_groups_that_another_has_left(place: Place) -> None:
    make_groups(place.supervisor.limit_groups_for("left", ResourceLimits(memory_bytes=64 * MIB, pids=20)))
    assert place.left()

    await place.supervisor.kill_leftovers()

    assert place.left() == []


def test_counts_of_reached_limits_are_read_by_their_word(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nmax 12\noom 1\noom_kill 3\n", encoding="ascii")
    (tmp_path / "pids.events").write_text("max 0\n", encoding="ascii")
    events = [("memory", "memory.events", "oom_kill"), ("pids", "pids.events", "max")]
    absent = ("cpus", "absent", "word")

    assert reached_limits([LimitGroup(str(tmp_path), (), [*events, absent])]) == ["memory"]


class FakeGroup:
    """A folder that looks like a delegated control group of version 2, whose kernel files are plain ones."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, controllers: str) -> None:
        self.folder = folder
        (folder / "cgroup.controllers").write_text(controllers, encoding="ascii")
        for name in ("cgroup.subtree_control", "cgroup.procs", "memory.swap.max", "memory.oom.group"):
            (folder / name).touch()
        monkeypatch.setattr(limit_groups, "own_cgroup", lambda: str(folder))
        monkeypatch.setattr(limit_groups, "_version_1", LimitGroups)
        monkeypatch.setattr(limit_groups, "make_groups", self._make)
        monkeypatch.setattr(limit_groups, "remove_groups", lambda _: None)
        self.made: list[LimitGroup] = []

    def _make(self, groups: Sequence[LimitGroup]) -> None:
        self.made += groups


def test_a_delegated_group_of_version_2_is_given_controllers_and_the_worker_moves_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGroup(tmp_path, monkeypatch, "cpu io memory pids\n")

    found = find_limit_groups()

    assert set(found.parents.values()) == {str(tmp_path)}
    assert (tmp_path / "cgroup.subtree_control").read_text(encoding="ascii") == "+cpu +memory +pids"
    own = tmp_path / f"swarm-worker-{os.getpid()}"
    assert (own / "cgroup.procs").read_text(encoding="ascii") == str(os.getpid())
    settings = dict(setting for group in fake.made for setting in group.settings)
    assert settings["cpu.max"] == "50000 100000"
    assert settings["memory.max"] == str(64 * MIB)
    assert settings["memory.oom.group"] == "1"
    [group] = found.groups("one", ResourceLimits(memory_bytes=64 * MIB, pids=20))
    assert group.events == [("memory", "memory.events", "oom_kill"), ("pids", "pids.events", "max")]


def test_a_group_without_controllers_says_who_delegates_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeGroup(tmp_path, monkeypatch, "")

    assert "Delegate=yes" in limit_groups._version_2().reason
    assert not (tmp_path / f"swarm-worker-{os.getpid()}").exists()


def test_limits_are_the_stricter_of_two() -> None:
    one, two = ResourceLimits(4, 0.0, 8), ResourceLimits(2, 1.5, 0)

    assert one.lowest(two) == two.lowest(one) == ResourceLimits(2, 1.5, 8)


def test_groups_are_removed_only_when_they_are_empty(place: Place) -> None:
    made = place.supervisor.limit_groups_for("empty", ResourceLimits(pids=20))
    make_groups(made)

    remove_groups(made)

    assert place.left() == []
