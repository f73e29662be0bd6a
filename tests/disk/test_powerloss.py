"""Power failures at random places: every acknowledged commit is there, and no commit is there in part."""

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest

from disk import images, powerloss
from disk.images import Loss
from disk.vfs import Kind, Op

TESTS = Path(__file__).resolve().parents[1]


# Each seed is a swarm with a hundred images, so the two halves are the seeds 1 to 20.
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 11])
def test_no_loss_of_power_loses_an_acknowledged_commit_or_leaves_half_of_one(seed: int) -> None:
    """Runs in a process of its own, where the disk lies beneath the checksum layer."""
    argv = [sys.executable, "-m", "disk.run", "--images", "1000", "--seed", str(seed)]
    done = subprocess.run(
        argv, env={"PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False, timeout=280
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1000 power cuts over ")
    assert "0 lost an acknowledged commit, 0 corrupt, 0 torn" in done.stdout


@pytest.mark.slow
def test_the_same_holds_without_the_layer_of_checksums() -> None:
    tally = powerloss.run(400, seed=1)

    assert tally.bad == [], tally.line()
    assert tally.images == 400
    assert tally.commits > 100, "there are commits to lose"
    assert tally.checkpoints > 5, "many WALs were folded"
    assert tally.spills > 100, "transactions exceeded the page cache"
    assert set(tally.losses) == set(Loss)


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_a_database_that_syncs_less_is_caught(synchronous: str) -> None:
    tally = powerloss.run(200, seed=1, synchronous=synchronous)

    assert tally.lost > 20, tally.line()


def test_an_image_keeps_what_was_synced_and_drops_what_was_not() -> None:
    platter = images.Platter({"f": b"old"})
    for op in (Op(Kind.WRITE, "f", 0, b"new"), Op(Kind.SYNC, "f"), Op(Kind.WRITE, "f", 3, b"!")):
        platter.ask(op)
    rng = random.Random(1)

    assert platter.image(Loss.DROP, rng) == {"f": bytearray(b"new")}
    assert platter.image(Loss.KEEP, rng) == {"f": bytearray(b"new!")}


def test_a_torn_write_keeps_or_loses_whole_sectors() -> None:
    platter = images.Platter({"f": b"o" * 2_000})
    platter.ask(Op(Kind.WRITE, "f", 100, b"n" * 1_500))
    rng = random.Random(1)

    found = {bytes(platter.image(Loss.TEAR, rng)["f"]) for _ in range(200)}

    borders = (100, 512, 1_024, 1_536, 1_600)
    sectors = {tuple(data[start:end] for start, end in itertools.pairwise(borders)) for data in found}
    assert len(found) == 16
    assert all(set(part) in ({ord("n")}, {ord("o")}) for parts in sectors for part in parts)


def test_a_file_that_was_deleted_for_good_is_gone_and_any_other_may_come_back() -> None:
    platter = images.Platter({"f": b"x", "g": b"y"})
    platter.ask(Op(Kind.DELETE_FOR_GOOD, "f"))
    platter.ask(Op(Kind.DELETE, "g"))
    rng = random.Random(1)

    assert platter.image(Loss.DROP, rng) == {"g": bytearray(b"y")}
    assert platter.image(Loss.KEEP, rng) == {}
