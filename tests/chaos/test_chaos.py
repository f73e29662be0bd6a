"""A run with faults ends as a run without them: no task is lost, and none is done twice."""

from pathlib import Path

import pytest

from chaos.run import play, show

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_a_night_of_faults_ends_as_a_quiet_one(tmp_path: Path) -> None:
    show("replay: PYTHONPATH=tests python -m chaos.run --seed 1")

    report = play(tmp_path, 1, say=show)

    assert report.faults == []


@pytest.mark.timeout(300)
def test_without_faults_nothing_is_lost_or_released(tmp_path: Path) -> None:
    report = play(tmp_path, 3, tasks=16, workers=3, calm=True)

    assert report.faults == []
    assert set(report.counts) <= {"completed", "failed"}
