"""The disk fails at the nth call of a swarm's life, for every n: nothing is lost, and every error is true."""

from pathlib import Path

import pytest

from disk import faults
from disk.faults import Errors
from disk.workload import SMALL_CACHE_KIB
from swarmd.store.file import opening

CALLS = 150


async def lives(
    folder: Path, *, full: bool, sticky: bool, cache_kib: int = opening.CACHE_KIB, every: int = 1
) -> list[Errors]:
    template = faults.template(folder / "template.db")
    found = [
        await faults.live(folder / "live", template, nth, full=full, sticky=sticky, cache_kib=cache_kib)
        for nth in range(1, CALLS + 1, every)
    ]
    return [errors for errors in found if errors.fired]


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True])
async def test_a_full_disk_changes_nothing_and_work_goes_on_when_there_is_room(
    tmp_path: Path, *, sticky: bool
) -> None:
    found = await lives(tmp_path, full=True, sticky=sticky)

    assert len(found) > (140 if sticky else 80)
    assert not any(errors.failed for errors in found), "a full disk does not stop the server"
    assert sum(errors.refused > 0 for errors in found) > 80


@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True])
async def test_an_error_of_the_disk_at_a_commit_ends_all_writing_and_loses_nothing(
    tmp_path: Path, *, sticky: bool
) -> None:
    found = await lives(tmp_path, full=False, sticky=sticky)

    assert len(found) > 140
    assert sum(errors.failed for errors in found) > 100


@pytest.mark.slow
@pytest.mark.parametrize("full", [False, True])
async def test_a_disk_that_fails_in_the_middle_of_a_transaction_changes_nothing(
    tmp_path: Path, *, full: bool
) -> None:
    """Transactions larger than the page cache write to the disk before their commit."""
    found = await lives(tmp_path, full=full, sticky=False, cache_kib=SMALL_CACHE_KIB, every=3)

    assert len(found) > 25
    assert sum(errors.refused > 0 for errors in found) > 20
    assert any(errors.failed for errors in found) is not full
