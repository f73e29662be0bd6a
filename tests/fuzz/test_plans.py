"""Mutated task files: each gets one typed answer, none hangs, none is read by half."""

from pathlib import Path

import pytest

from fuzz.plan_mutations import mutated, seeds, wholes
from fuzz.plans import play

SEED = 1
SHARES = 4
FILES = 20_000


def test_a_file_is_made_again_from_its_seed_and_number() -> None:
    pieces, whole = seeds(), wholes()

    assert mutated(7, 3, pieces, whole) == mutated(7, 3, pieces, whole)
    assert len({mutated(7, number, pieces, whole) for number in range(200)}) > 190


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", range(SHARES))
def test_twenty_thousand_mutated_task_files_are_read_whole_or_refused_with_a_reason(
    tmp_path: Path, share: int
) -> None:
    tally = play(SEED, range(share, FILES, SHARES), tmp_path)

    assert tally.failures == [], "replay: PYTHONPATH=tests python -m fuzz.run plans --seed S --only N"
    assert tally.outcomes.total() == FILES // SHARES
    assert tally.outcomes.keys() == {"read", "refused by the reader", "refused by the server"}
    assert tally.outcomes["read"] > FILES // SHARES // 20
