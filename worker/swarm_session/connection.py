"""Calls of a session to its worker, over the worker's socket: one line of JSON there, one back.

Invariant: the token is taken from the environment and goes nowhere but into the socket.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO

SOCKET = "SWARM_SESSION_SOCKET"
TOKEN = "SWARM_SESSION_TOKEN"  # noqa: S105  # the name of a variable
# Linux takes 107 bytes; a longer path is reached by way of its folder.
MAX_PATH = 100
MAX_LINE = 4 * 1024 * 1024


class SessionError(Exception):
    """A call that failed; `reason` is a name of `amplifier_swarm.v1.ErrorReason` without its prefix, or empty."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def is_session() -> bool:
    """Returns whether this process runs in a session whose worker offers these calls."""
    return bool(os.environ.get(SOCKET) and os.environ.get(TOKEN))


def call(method: str, content: BinaryIO | None = None, **fields: Any) -> "dict[str, Any]":
    """Makes a call and returns its answer; `content` follows the request, `size` bytes of it.

    Raises:
        SessionError: this process runs in no session, the worker is gone, or the call was refused.
    """
    if not is_session():
        raise SessionError(f"this is no session of a swarm: {SOCKET} and {TOKEN} are not set")
    request = {"call": method, "token": os.environ[TOKEN], **fields}
    try:
        with _connected(os.environ[SOCKET]) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            if content is not None:
                connection.sendfile(content, count=fields["size"])
            with connection.makefile("rb") as answers:
                line = answers.readline(MAX_LINE)
    except OSError as error:
        raise SessionError(f"can't reach the worker: {error.strerror or error}") from error
    if not line.endswith(b"\n"):
        raise SessionError("the worker has hung up: the session is about to end")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise SessionError(answer["error"], answer.get("reason", ""))
    return answer


@contextlib.contextmanager
def _connected(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        if len(os.fsencode(path)) <= MAX_PATH:
            connection.connect(path)
        else:
            folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)  # noqa: PTH120  # a str as it is
            try:
                connection.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")  # noqa: PTH119  # as above
            finally:
                os.close(folder)
        yield connection
