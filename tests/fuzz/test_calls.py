"""Mutated messages: each gets a typed answer, a refusal changes nothing, all stored data can be shown."""

import random
from pathlib import Path

import pytest

from fuzz.calls import METHODS, ROUND, play, valid
from fuzz.prepared_server import prepared_server
from swarmd.rpc.auth import ROLES

SEED = 1
SHARES = 4
CALLS = 20_000


def test_every_method_that_answers_once_is_called() -> None:
    names = {method.rpartition("/")[2] for method in ROLES if "/amplifier_swarm." in method}

    assert names - set(METHODS) == {
        "ClaimTask",
        "ExportTasks",
        "WatchEvents",
        "TailLog",
        "Backup",
        "FollowDatabase",
        "GetArtifact",
    }


async def test_there_is_a_good_request_for_each_of_them(tmp_path: Path) -> None:
    async with prepared_server(tmp_path) as found:
        assert set(dict(valid(found, random.Random(1)))) == set(METHODS)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", range(SHARES))
async def test_twenty_thousand_mutated_calls_get_typed_answers(tmp_path: Path, share: int) -> None:
    rounds = range(share, CALLS // ROUND, SHARES)

    tally = await play(SEED, rounds, tmp_path)

    assert tally.failures == [], "replay: PYTHONPATH=tests python -m fuzz.run calls --seed S --only ROUND"
    assert tally.codes.total() >= CALLS // SHARES
    assert tally.codes["OK"] > CALLS // SHARES // 5
    assert tally.codes["INVALID_ARGUMENT"] > CALLS // SHARES // 20
    assert tally.codes["FAILED_PRECONDITION"] > 0
