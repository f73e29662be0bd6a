"""The dependencies of a draft: what its links mean for the order of work.

A task with parts is done when its parts are: it waits for them, and they wait for what it waits for. Such derived
edges never close a cycle that the file does not have itself.
"""

from collections.abc import Iterator, Mapping, Sequence

from amplifier_swarm.plan.faults import quoted
from swarmctl.formats.draft import Draft, DraftTask, Link, unknown_task

# For each task the numbers of those that it waits for, with the link that says so.
_Edges = list[dict[int, Link]]


def edges_of(draft: Draft, ids: Sequence[str]) -> list[list[Link]]:
    """Returns for each task its dependencies by id; notes every link that can't be one."""
    tasks = draft.tasks
    numbers = {task.key: i for i, task in reversed(list(enumerate(tasks)))}
    numbers |= {
        alias: numbers[key] for alias, key in draft.aliases.items() if alias not in numbers and key in numbers
    }
    parents = [_parent(draft, task, numbers) for task in tasks]
    stated: _Edges = [_stated(draft, task, numbers, _ancestors(i, parents)) for i, task in enumerate(tasks)]
    derived = _derived(tasks, parents, stated)
    _break_cycles(draft, ids, stated, derived)
    both = [known | added for known, added in zip(stated, derived, strict=True)]
    return [[Link(ids[i], link.line) for i, link in of_task.items()] for of_task in both]


def _parent(draft: Draft, task: DraftTask, numbers: Mapping[str, int]) -> int | None:
    if task.parent is None:
        return None
    found = numbers.get(task.parent.key)
    if found is None:
        draft.note(task.parent.line, f"the parent {unknown_task(task.parent.key)}", "its part stands alone")
    elif draft.tasks[found] is task:
        draft.note(task.parent.line, f"{quoted(task.key)} is its own parent", "left out")
        return None
    return found


def _ancestors(number: int, parents: Sequence[int | None]) -> set[int]:
    found: set[int] = set()
    at = parents[number]
    while at is not None and at not in found:
        found.add(at)
        at = parents[at]
    return found


def _stated(
    draft: Draft, task: DraftTask, numbers: Mapping[str, int], ancestors: set[int]
) -> dict[int, Link]:
    """Returns the dependencies that the file states and that can be met."""
    found: dict[int, Link] = {}
    for link in task.waits_for:
        number = numbers.get(link.key)
        waits = f"{quoted(task.key)} waits for {quoted(link.key)}"
        if number is None:
            draft.note(link.line, f"{waits}, which is not in this file", "no dependency")
        elif draft.tasks[number] is task:
            draft.note(link.line, f"{quoted(task.key)} waits for itself", "no dependency")
        elif draft.tasks[number].cancelled:
            draft.note(link.line, f"{waits}, which is cancelled", "no dependency")
        elif number in ancestors:
            draft.note(link.line, f"{waits}, of which it is a part", "no dependency")
        else:
            found.setdefault(number, link)
    return found


def _derived(tasks: Sequence[DraftTask], parents: Sequence[int | None], stated: _Edges) -> _Edges:
    """Returns the edges between tasks with parts and their parts."""
    derived: _Edges = [{} for _ in tasks]
    for part, parent in enumerate(parents):
        if parent is not None and not tasks[part].cancelled:
            derived[parent].setdefault(part, Link("", tasks[part].line))
    for part, parent in enumerate(parents):
        if parent is None or any(parents[i] == parent for i in stated[part]):
            continue  # a part that waits for a sibling starts late enough
        for above in (parent, *sorted(_ancestors(parent, parents))):
            for number, link in stated[above].items():
                if number != part and number not in stated[part] and above not in _ancestors(number, parents):
                    derived[part].setdefault(number, link)
    return derived


def _break_cycles(draft: Draft, ids: Sequence[str], stated: _Edges, derived: _Edges) -> None:
    """Removes the derived edges that lie on a cycle; a cycle of stated ones is the file's own, and stays."""
    rooms = _components([[*known, *added] for known, added in zip(stated, derived, strict=True)])
    for i, of_task in enumerate(derived):
        for number in [number for number in of_task if rooms[number] == rooms[i]]:
            link = of_task.pop(number)
            if number not in stated[i]:
                text = f"{quoted(ids[i])} can't wait for {quoted(ids[number])}, which waits for it"
                draft.note(link.line, text, "no dependency")


def _components(edges: Sequence[Sequence[int]]) -> list[int]:
    """Returns for each node the number of its strongly connected component, by Kosaraju's two passes."""
    backwards: list[list[int]] = [[] for _ in edges]
    for i, of_task in enumerate(edges):
        for number in of_task:
            backwards[number].append(i)
    room = [-1] * len(edges)
    for start in reversed(list(_finished(edges))):
        if room[start] != -1:
            continue
        room[start] = start
        stack = [start]
        while stack:
            for number in backwards[stack.pop()]:
                if room[number] == -1:
                    room[number] = start
                    stack.append(number)
    return room


def _finished(edges: Sequence[Sequence[int]]) -> Iterator[int]:
    """Yields the nodes in the order in which a search in depth leaves them."""
    seen = [False] * len(edges)
    for start in range(len(edges)):
        if seen[start]:
            continue
        seen[start] = True
        stack = [(start, iter(edges[start]))]
        while stack:
            node, rest = stack[-1]
            following = next((number for number in rest if not seen[number]), None)
            if following is None:
                stack.pop()
                yield node
            else:
                seen[following] = True
                stack.append((following, iter(edges[following])))
