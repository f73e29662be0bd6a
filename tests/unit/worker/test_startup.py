"""The start of a worker: its slots fit the limit of file descriptors."""

import resource
import subprocess
import sys

import pytest

from amplifier_swarm.exits import ProgramExit
from swarm_worker.startup import DESCRIPTORS_OF_WORKER, DESCRIPTORS_PER_SLOT, fit_slots


def _limit(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> list[int]:
    """Fakes the limits of the process; returns the soft limits over time."""
    soft_limits = [soft]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft_limits[-1], hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: soft_limits.append(limits[0]))
    return soft_limits


def test_a_sufficient_limit_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = _limit(monkeypatch, 1024, 4096)

    assert fit_slots(50) == 50
    assert limits == [1024]


def test_the_soft_limit_is_raised_as_far_as_the_slots_need(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = _limit(monkeypatch, 100, 4096)

    assert fit_slots(50) == 50
    assert limits == [100, DESCRIPTORS_OF_WORKER + 50 * DESCRIPTORS_PER_SLOT]


def test_a_low_hard_limit_allows_fewer_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = _limit(monkeypatch, 64, 100)

    assert fit_slots(50) == (100 - DESCRIPTORS_OF_WORKER) // DESCRIPTORS_PER_SLOT
    assert limits == [64, 100]


def test_a_limit_without_room_for_a_session_is_refused_with_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _limit(monkeypatch, 30, 30)

    with pytest.raises(ProgramExit, match="a limit of 30 open files is too low") as end:
        fit_slots(1)
    assert "LimitNOFILE" in end.value.hint


def test_a_system_that_refuses_the_raise_keeps_its_limit() -> None:
    code = (
        "import resource; from amplifier_swarm.descriptors import raise_descriptor_limit as r\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128)); print(r(100), r(1000), r(), r(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["100", "128", "128", "128"]
