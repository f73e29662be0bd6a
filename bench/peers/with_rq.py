# mypy: ignore-errors
"""RQ on Redis, a process for each job as by default."""

import os
import sys

from redis import Redis
from rq import Queue
from stamps import stamp

WORKERS = [["rq", "worker", "--url", os.environ["BENCH_REDIS"], "--quiet"] for _ in range(4)]


def enqueue(count: int) -> None:
    queue = Queue(connection=Redis.from_url(os.environ["BENCH_REDIS"]))
    queue.enqueue_many([Queue.prepare_data(stamp) for _ in range(count)])


if __name__ == "__main__":
    enqueue(int(sys.argv[1]))
