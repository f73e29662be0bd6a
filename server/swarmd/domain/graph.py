"""The dependency graph of a plan, as ids: whether it closes on itself, and where."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

Edges = Mapping[str, Sequence[str]]

# Looking for the shortest cycle costs one search a task. Past this many steps the shortest so far will do:
# a plan with thousands of tasks on its cycles needs no better hint.
MAX_STEPS: Final = 2_000_000


def shortest_cycle(edges: Edges) -> list[str]:
    """A cycle with as few tasks as the graph has, its first task repeated at the end; empty if none.

    `edges` maps each task to those that it depends on; names that are no keys are ignored.
    """
    rest = _on_cycles(edges)
    best: list[str] = []
    steps = 0
    for start in rest:
        cycle, taken = _cycle_through(start, rest, shorter_than=len(best) or len(rest) + 2)
        best, steps = cycle or best, steps + taken
        if len(best) == 3 or steps > MAX_STEPS:  # a pair is as short as it gets
            break
    return best


def _on_cycles(edges: Edges) -> Edges:
    """The part of the graph that is on cycles, or on a way from one to another."""
    outward = {task: [d for d in dict.fromkeys(wanted) if d in edges] for task, wanted in edges.items()}
    inward: dict[str, list[str]] = {task: [] for task in edges}
    for task, dependencies in outward.items():
        for dependency in dependencies:
            inward[dependency].append(task)
    kept = _prune(_prune(set(edges), outward, inward), inward, outward)
    return {task: [d for d in outward[task] if d in kept] for task in edges if task in kept}


def _prune(kept: set[str], outward: Edges, inward: Edges) -> set[str]:
    """Takes away, again and again, every task with no outward edge to a kept one."""
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


def _cycle_through(start: str, edges: Edges, *, shorter_than: int) -> tuple[list[str], int]:
    """The shortest cycle through the task, if it is shorter, and how many steps the search took."""
    depth, parents = {start: 0}, {start: ""}
    queue = deque([start])
    while queue:
        task = queue.popleft()
        if depth[task] + 2 >= shorter_than:
            break
        for dependency in edges[task]:
            if dependency == start:
                return _path(parents, start, task), len(depth)
            if dependency not in depth:
                depth[dependency], parents[dependency] = depth[task] + 1, task
                queue.append(dependency)
    return [], len(depth)


def _path(parents: Mapping[str, str], start: str, last: str) -> list[str]:
    path = [start]
    while last:
        path.append(last)
        last = parents[last]
    return path[::-1]
