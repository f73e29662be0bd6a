"""Random plans of any shape; the same seed gives the same plan."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

Plan = Mapping[str, Sequence[str]]


def random_plan(count: int, seed: int, *, prefix: str = "t") -> Plan:
    """Returns task ids with dependencies: each task depends on up to three earlier ones; names are shuffled."""
    rng = random.Random(seed)
    names = [f"{prefix}{number:04d}" for number in range(count)]
    rng.shuffle(names)
    plan = {}
    for index, name in enumerate(names):
        wanted = rng.choice((0, 1, 1, 2, 3))
        near = names[max(0, index - rng.choice((3, 10, count))) : index]
        plan[name] = rng.sample(near, min(wanted, len(near)))
    return plan


def write_plan(path: Path, plan: Plan, **defaults: object) -> None:
    """Writes the plan as a task file."""
    tasks = [{"id": task, "name": task, "dependencies": list(wanted)} for task, wanted in plan.items()]
    document = {"defaults": defaults, "tasks": tasks} if defaults else {"tasks": tasks}
    path.write_text(yaml.safe_dump(document, sort_keys=False))
