"""Cycles in graphs of any shape, compared with a plain search."""

import itertools
import random

import pytest

from swarmd.domain import graph
from swarmd.domain.graph import shortest_cycle, shortest_path


def is_cycle(path: list[str], edges: dict[str, list[str]]) -> bool:
    return len(path) > 1 and path[0] == path[-1] and all(b in edges[a] for a, b in itertools.pairwise(path))


def length_by_plain_search(edges: dict[str, list[str]]) -> int:
    """Returns the length of the shortest cycle by growing paths from every task, 0 if there is no cycle."""
    for length in range(1, len(edges) + 1):
        for start in edges:
            reached = {start}
            for _ in range(length):
                reached = {b for a in reached for b in edges[a] if b in edges}
            if start in reached:
                return length
    return 0


@pytest.mark.parametrize("seed", range(200))
def test_the_shortest_cycle_is_found_in_random_graphs(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(1, 9)
    names = [f"t{n}" for n in range(count)]
    edges = {
        name: [other for other in names if other != name and rng.random() < rng.choice((0.1, 0.3))]
        for name in names
    }

    found = shortest_cycle(edges)

    wanted = length_by_plain_search(edges)
    assert max(len(found) - 1, 0) == wanted
    assert not wanted or is_cycle(found, edges)


def test_names_of_unknown_tasks_are_ignored() -> None:
    assert shortest_cycle({"a": ["ghost"], "b": ["a", "ghost"]}) == []


@pytest.mark.slow
def test_a_deep_chain_and_a_wide_graph_have_no_cycle() -> None:
    chain = {str(n): [str(n + 1)] for n in range(50_000)}
    wide = {"root": [], **{str(n): ["root"] for n in range(50_000)}}

    assert shortest_cycle(chain) == []
    assert shortest_cycle(wide) == []


def test_a_cycle_is_found_however_soon_the_search_for_the_shortest_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph, "MAX_STEPS", 100)
    layers = {f"t{n}": [f"t{m}" for m in range(n + 1, min(n + 40, 500))] for n in range(500)}
    layers["t499"] = ["t0"]

    found = shortest_cycle(layers)

    assert is_cycle(found, layers)


class _Counted(dict[str, list[str]]):
    """Edges that count how many of them are followed."""

    followed = 0

    def get(self, task: str, default: object = ()) -> list[str]:
        self.followed += len(self[task])
        return self[task]


def test_a_path_follows_each_edge_once() -> None:
    dense = _Counted({f"t{n}": [f"t{m}" for m in range(n + 1, 300)] for n in range(300)})

    assert shortest_path(dense, "t0", "t299") == ["t0", "t299"]
    assert shortest_path(dense, "t299", "t0") == []
    dense.followed = 0
    dense["t299"] = []
    assert shortest_path(dense, "t0", "ghost") == []
    assert dense.followed == sum(map(len, dense.values()))
