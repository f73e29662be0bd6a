# mypy: ignore-errors
"""Dramatiq on Redis."""

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from stamps import stamp

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))
# Its default is eight threads; the other peers run one task at a time.
THREADS = os.environ["BENCH_THREADS"]
WORKERS = [["dramatiq", "with_dramatiq", "--processes", "4", "--threads", THREADS, "--skip-logging"]]
task = dramatiq.actor(stamp, actor_name="stamp")


def enqueue(count: int) -> None:
    for _ in range(count):
        task.send()


if __name__ == "__main__":
    enqueue(int(sys.argv[1]))
