"""swarm-worker with sessions that are not processes: each writes a line with the time and ends.

For the bench alone. Everything else of the worker is real: claims, goes, prompts, records, outbox.
`BENCH_STAMPS` names the file; a task called `end-…` waits 0.3 s first, a task called `start-…` holds its
slot for 0.2 s.
"""

import asyncio
import os
import time
from typing import Any

from swarm_worker import main
from swarm_worker.execution import session
from swarm_worker.supervision.model import EndCause, Launch, RunEnd


def stamp(word: str) -> None:
    """Appends a line; see peers/stamps.py."""
    fd = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{word} {time.monotonic_ns()}\n".encode())
    os.close(fd)


async def no_process(launch: Launch, **_others: Any) -> RunEnd:
    """Replaces run_guarded."""
    name = launch.env["SWARM_TASK_ID"]
    if name.startswith("end-"):
        await asyncio.sleep(0.3)
    stamp(name)
    if name.startswith("start-"):
        await asyncio.sleep(0.2)
    return RunEnd(EndCause.EXIT, 0)


if __name__ == "__main__":
    setattr(session, "run_guarded", no_process)  # noqa: B010  # the module does not export the name
    main.main()
