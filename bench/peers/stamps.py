"""The body of every peer's task: it writes one line with the time into a shared file."""

import os
import time


def stamp(word: str = "task") -> None:
    """Appends the line."""
    fd = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{word} {time.monotonic_ns()}\n".encode())
    os.close(fd)
