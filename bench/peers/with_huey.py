# mypy: ignore-errors
"""Huey on Redis: a task is gone from the queue as soon as a worker has it, so it is lost with that worker."""

import os
import sys
import time

from huey import RedisHuey
from stamps import stamp

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], immediate=False, results=False)
WORKERS = [["huey_consumer", "with_huey.huey", "-w", "4", "-k", "process", "-q", "-d", "0.001", "-m", "0.01"]]


@huey.task()
def task() -> None:
    stamp()


@huey.task()
def dependent(number: int) -> None:
    stamp(f"start-{number}")
    time.sleep(0.2)


@huey.task()
def first(number: int) -> None:
    """Runs before four tasks that wait for it; Huey has no dependencies, so this task enqueues them itself."""
    time.sleep(0.3)
    stamp(f"end-{number}")
    for _ in range(4):
        dependent(number)


def enqueue(count: int) -> None:
    for _ in range(count):
        task()


if __name__ == "__main__":
    # Huey identifies a task by its module, and the consumer imports this module by name.
    import with_huey as own

    if sys.argv[1] == "fan":
        own.first(int(sys.argv[2]))
    else:
        own.enqueue(int(sys.argv[1]))
