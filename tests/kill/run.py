"""`PYTHONPATH=tests python -m kill.run`: the kill matrix again and again, at every level that the machine allows."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fakes.containment_levels import LEVELS, Level, level
from fakes.process_tree import ESCAPES
from fakes.swarm_server import fake_swarm
from kill.prison import Prison
from kill.ways import WAYS, Ending, Way, end_all_by


def main(argv: Sequence[str] | None = None) -> int:
    """Prints survivors, and in the end the number of ended sessions; the exit code is 1 if a process survived."""
    parser = argparse.ArgumentParser(prog="kill.run", description=__doc__)
    parser.add_argument("--count", type=int, default=1, help="how often")
    given = parser.parse_args(argv)
    levels, ended, survived = set[str](), 0, 0
    for _ in range(given.count):
        for name, way, ending in _matrix():
            levels.add(name)
            ended += len(ESCAPES)
            survived += len(ending.survivors)
            if ending.survivors:
                sys.stdout.write(f"{way.__name__} at {name} left {ending.survivors}\n")
    sys.stdout.write(
        f"{ended:,} sessions of {len(ESCAPES)} styles ended in {len(WAYS)} ways at {', '.join(sorted(levels))};"
        f" {survived} survived\n"
    )
    return 1 if survived else 0


def _matrix() -> Iterator[tuple[str, Way, Ending]]:
    for name in LEVELS:
        for way in WAYS:
            try:
                with level(name) as reached, tempfile.TemporaryDirectory(prefix="kill-") as folder:
                    yield name, way, asyncio.run(_end(Path(folder), reached, way))
            except pytest.skip.Exception:
                break  # the machine does not allow this level


async def _end(folder: Path, reached: Level, way: Way) -> Ending:
    async with fake_swarm() as address:
        prison = Prison(folder, address, reached)
        try:
            return await end_all_by(prison, way)
        finally:
            prison.close()


if __name__ == "__main__":
    sys.exit(main())
