# mypy: ignore-errors
"""Celery on Redis; a task is acknowledged when it is done."""

import os
import sys

from celery import Celery
from stamps import stamp

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=4)
WORKERS = [["celery", "-A", "with_celery", "worker", "-c", "4", "-l", "ERROR", "--without-gossip"]]
task = app.task(stamp, name="stamp")


def enqueue(count: int) -> None:
    for _ in range(count):
        task.delay()


if __name__ == "__main__":
    enqueue(int(sys.argv[1]))
