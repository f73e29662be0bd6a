"""Events of this machine: a file that stops everything, and a sleep of the machine."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swarm_worker.supervision import host_watch
from swarm_worker.supervision.host_watch import HostWatch


@dataclass
class Listener:
    events: list[str] = field(default_factory=list)

    def on_stop_file(self, file: Path) -> None:
        self.events.append(file.parent.name)

    def on_stop_file_removed(self) -> None:
        self.events.append("gone")

    def resumed_from_sleep(self, slept_s: float) -> None:
        self.events.append(f"slept {slept_s:.0f}")


@pytest.mark.parametrize("folder", ["all", "own"])
def test_a_stop_file_is_reported_once_when_it_appears_and_once_when_it_is_removed(
    tmp_path: Path, folder: str
) -> None:
    folders = (tmp_path / "all", tmp_path / "own")
    for each in folders:
        each.mkdir()
    listener = Listener()
    watch = HostWatch(folders, listener)

    watch.check()
    (tmp_path / folder / "EMERGENCY_STOP").touch()
    watch.check()
    watch.check()
    assert watch.stopped
    (tmp_path / folder / "EMERGENCY_STOP").unlink()
    watch.check()
    watch.check()

    assert listener.events == [folder, "gone"]
    assert not watch.stopped


def test_the_stop_stays_as_long_as_one_file_is_left(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "EMERGENCY_STOP").touch()
    listener = Listener()
    watch = HostWatch((first, second), listener)

    watch.check()
    (first / "EMERGENCY_STOP").unlink()
    watch.check()

    assert listener.events == ["first"]
    assert watch.stopped


def test_a_sleep_of_the_machine_is_noticed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep_s = 5.0
    monkeypatch.setattr(host_watch, "_asleep_s", lambda: asleep_s)
    listener = Listener()
    watch = HostWatch((tmp_path,), listener)

    watch.check()
    asleep_s = 3605.0
    watch.check()
    watch.check()

    assert listener.events == ["slept 3600"]
