# mypy: ignore-errors
"""dask.distributed: the scheduler keeps everything in memory."""

import sys

from distributed import Client, LocalCluster
from stamps import stamp

WORKERS = []


def enqueue(count: int) -> None:
    with (
        LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(4)
        client.gather(client.map(lambda _: stamp(), range(count), pure=False))


if __name__ == "__main__":
    enqueue(int(sys.argv[1]))
