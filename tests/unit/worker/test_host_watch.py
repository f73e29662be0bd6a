"""What no server tells: a file that stops everything, and a machine that has slept."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from swarm_worker.supervision import host_watch
from swarm_worker.supervision.host_watch import HostWatch


@dataclass
class Told:
    words: list[str] = field(default_factory=list)

    def on_stop_file(self, file: Path) -> None:
        self.words.append(file.parent.name)

    def on_stop_file_removed(self) -> None:
        self.words.append("gone")

    def resumed_from_sleep(self, slept_s: float) -> None:
        self.words.append(f"slept {slept_s:.0f}")


@pytest.mark.parametrize("folder", ["all", "own"])
def test_a_file_in_either_folder_is_told_once_when_it_comes_and_once_when_it_goes(
    tmp_path: Path, folder: str
) -> None:
    folders = (tmp_path / "all", tmp_path / "own")
    for each in folders:
        each.mkdir()
    told = Told()
    watch = HostWatch(folders, told)

    watch.check()
    (tmp_path / folder / "EMERGENCY_STOP").touch()
    watch.check()
    watch.check()
    assert watch.stopped
    (tmp_path / folder / "EMERGENCY_STOP").unlink()
    watch.check()
    watch.check()

    assert told.words == [folder, "gone"]
    assert not watch.stopped


def test_the_stop_stays_for_as_long_as_one_file_is_left(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "EMERGENCY_STOP").touch()
    told = Told()
    watch = HostWatch((first, second), told)

    watch.check()
    (first / "EMERGENCY_STOP").unlink()
    watch.check()

    assert told.words == ["first"]
    assert watch.stopped


def test_a_sleep_of_the_machine_is_noticed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep_s = 5.0
    monkeypatch.setattr(host_watch, "_asleep_s", lambda: asleep_s)
    told = Told()
    watch = HostWatch((tmp_path,), told)

    watch.check()
    asleep_s = 3605.0
    watch.check()
    watch.check()

    assert told.words == ["slept 3600"]
