"""Every durable step has a failpoint before it and one after it; outside of tests failpoints do nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "server" / "swarmd" / "store"
# Durable steps: a commit, a checkpoint, a copy, the rename of a file.
DURABLE = re.compile(
    r'"COMMIT"|wal_checkpoint\(|(?<!def )(?<!\w)copy\((?:source|connection), |files\.(?:move|write)\('
)
# Parts of a step with failpoints around it, or of files that the next start removes.
WITHIN = {"restore.py: copy", "connections.py: connection.wal_checkpoint", "durable_files.py: move"}
HIT = re.compile(r'failpoint\.hit\(f?"([\w.{}]+)\.(before|after)"\)')


def durable_places() -> list[tuple[str, int]]:
    return [
        (str(path.relative_to(STORE)), number)
        for path in sorted(STORE.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines())
        if DURABLE.search(line) and f"{path.name}: {line.strip().partition('(')[0]}" not in WITHIN
    ]


@pytest.mark.parametrize(("name", "number"), durable_places())
def test_a_durable_step_stands_between_two_failpoints(name: str, number: int) -> None:
    lines = (STORE / name).read_text().splitlines()
    before = HIT.findall("\n".join(lines[max(0, number - 4) : number]))
    after = HIT.findall("\n".join(lines[number + 1 : number + 12]))

    sites = [site for site, when in before if when == "before"]
    assert sites, lines[number]
    assert (sites[-1], "after") in after, lines[number]


def test_the_pattern_finds_the_durable_steps_of_every_package() -> None:
    assert len(durable_places()) >= 10


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({}, 0),
        ({"SWARM_FAILPOINT": "here:1:kill"}, 0),
        ({"SWARM_FAILPOINT": "here:1:kill", "SWARM_TESTING": "0"}, 0),
        ({"SWARM_FAILPOINT": "there:1:kill", "SWARM_TESTING": "1"}, 0),
        ({"SWARM_FAILPOINT": "here:3:kill", "SWARM_TESTING": "1"}, 0),
        ({"SWARM_FAILPOINT": "here:2:kill", "SWARM_TESTING": "1"}, -9),
    ],
)
def test_a_failpoint_kills_only_in_a_test_and_only_there_and_then(
    variables: dict[str, str], code: int
) -> None:
    program = "from swarmd.store import failpoint; failpoint.hit('here'); failpoint.hit('here')"

    done = subprocess.run([sys.executable, "-c", program], env=variables, check=False, timeout=30)

    assert done.returncode == code
