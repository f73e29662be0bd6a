# mypy: ignore-errors
"""Procrastinate on PostgreSQL."""

import os
import sys

import procrastinate
from stamps import stamp

app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))
worker_app = app.with_connector(procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))
WORKERS = [["procrastinate", "--app", "with_procrastinate.worker_app", "worker"] for _ in range(4)]
task = app.task(stamp, name="stamp")


def enqueue(count: int) -> None:
    with app.open():
        app.schema_manager.apply_schema()
        task.batch_defer(*[{} for _ in range(count)])


if __name__ == "__main__":
    enqueue(int(sys.argv[1]))
