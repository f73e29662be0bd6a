"""The dependency graph of a plan, as ids, and its cycles."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

Edges = Mapping[str, Sequence[str]]

# The search for the shortest cycle follows at most this many edges; then the shortest one so far is enough: a plan with
# thousands of tasks on its cycles needs no better hint.
MAX_STEPS: Final = 2_000_000


def shortest_cycle(edges: Edges) -> list[str]:
    """Returns a shortest cycle, its first task repeated at the end; else an empty list.

    `edges` maps each task to those that it depends on; other names are ignored. The cost is linear in the edges, plus
    MAX_STEPS. In a graph with more edges than that the cycle may not be the shortest.
    """
    rest = _on_cycles(edges)
    if not rest:
        return []
    best, steps = _any_cycle(rest), 0
    for start in rest:
        if len(best) == 3 or steps >= MAX_STEPS:  # a pair is the shortest possible cycle
            break
        cycle, taken = _cycle_through(start, rest, shorter_than=len(best), max_steps=MAX_STEPS - steps)
        best, steps = cycle or best, steps + taken
    return best


def shortest_path(edges: Edges, start: str, target: str) -> list[str]:
    """Returns a shortest path of dependencies, with both ends; else an empty list. Linear in the edges."""
    parents = {start: ""}
    queue = deque([start])
    while queue and target not in parents:
        task = queue.popleft()
        for dependency in edges.get(task, ()):
            if dependency not in parents:
                parents[dependency] = task
                queue.append(dependency)
    if target not in parents:
        return []
    path = [target]
    while parents[path[-1]]:
        path.append(parents[path[-1]])
    return path[::-1]


def _any_cycle(rest: Edges) -> list[str]:
    """Returns the cycle that a walk runs into; each task of `rest` has an edge within `rest`."""
    task = next(iter(rest))
    walked: dict[str, int] = {}
    while task not in walked:
        walked[task] = len(walked)
        task = rest[task][0]
    return [*list(walked)[walked[task] :], task]


def _on_cycles(edges: Edges) -> Edges:
    """Returns the part of the graph on cycles, or on a path from one cycle to another."""
    outward = {task: [d for d in dict.fromkeys(wanted) if d in edges] for task, wanted in edges.items()}
    inward: dict[str, list[str]] = {task: [] for task in edges}
    for task, dependencies in outward.items():
        for dependency in dependencies:
            inward[dependency].append(task)
    kept = _prune(_prune(set(edges), outward, inward), inward, outward)
    return {task: [d for d in outward[task] if d in kept] for task in edges if task in kept}


def _prune(kept: set[str], outward: Edges, inward: Edges) -> set[str]:
    """Removes tasks without an outward edge to a kept task until none is left."""
    degree = {task: sum(other in kept for other in outward[task]) for task in kept}
    bare = [task for task, count in degree.items() if count == 0]
    while bare:
        task = bare.pop()
        kept.discard(task)
        for other in inward[task]:
            if other in kept:
                degree[other] -= 1
                if degree[other] == 0:
                    bare.append(other)
    return kept


class _Search(NamedTuple):
    """The result of a search, and the number of edges that it followed."""

    cycle: list[str]
    steps: int


def _cycle_through(start: str, edges: Edges, *, shorter_than: int, max_steps: int) -> _Search:
    """Returns the shortest cycle through `start` with fewer than `shorter_than` entries, else an empty one."""
    depth, parents = {start: 0}, {start: ""}
    queue, steps = deque([start]), 0
    while queue and steps < max_steps:
        task = queue.popleft()
        if depth[task] + 2 >= shorter_than:
            break
        steps += len(edges[task])
        for dependency in edges[task]:
            if dependency == start:
                return _Search(_path(parents, start, task), steps)
            if dependency not in depth:
                depth[dependency], parents[dependency] = depth[task] + 1, task
                queue.append(dependency)
    return _Search([], steps)


def _path(parents: Mapping[str, str], start: str, last: str) -> list[str]:
    path = [start]
    while last:
        path.append(last)
        last = parents[last]
    return path[::-1]
