"""Messages of the guard chain: worker to fork server, worker to guard, and guard to worker.

Invariant: a message is one packet of a SOCK_SEQPACKET socket, so no reader has to find where a message ends.
README.md beside this file draws the order of the messages. Only the standard library is imported.

| from, to | packet | descriptors |
|---|---|---|
| worker, fork server | `guard` | the guard's end of its own socket |
| fork server, worker | the guard's process number, or minus an errno | a pidfd of the guard |
| worker, guard | `session` | lock, stdin, stdout, stderr, and a file with a marshalled `GuardPlan` |
| worker, guard | `kill GRACE_S`, `fence BOOT_S` or `ping` | none |
| guard, worker | one JSON object with the key `event`: `ended`, `failed`, `broken` or `alive` | none |
"""

import marshal
import os
import socket
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

FORK_REQUEST: Final = b"guard"
FORK_REPLY_BYTES: Final = 64
SESSION_REQUEST: Final = b"session"
SESSION_FDS: Final = 5
ORDER_BYTES: Final = 256
REPORT_BYTES: Final = 64 * 1024
# Size of one descriptor in an SCM_RIGHTS message.
FD_BYTES: Final = 4

KILL: Final = b"kill"
FENCE: Final = b"fence"
# Asks the guard for a sign of life; sent only when the end of the session is due.
PING: Final = b"ping"

ENDED: Final = "ended"  # nothing of the session is left, or survivors could not be killed
FAILED: Final = "failed"  # the program was not started
BROKEN: Final = "broken"  # the guard itself raised
ALIVE: Final = "alive"  # the answer to pings
ALIVE_REPORT: Final = b'{"event": "alive", "error": ""}'
# The characters that a JSON string has only as escapes.
_ESCAPES: Final = {number: f"\\u{number:04x}" for number in (*range(0x20), ord('"'), ord("\\"))}
# Performance: json.dumps takes a sixth of a guard's CPU time (docs/performance.md). All values are our own.
_ENDED_REPORT: Final = (
    '{"event": "ended", "code": %s, "cause": "%s", "containment": "%s", "found": %d, "terminated": %d,'
    ' "killed": %d, "survivors": %d, "duration_s": %.6f, "limits": "%s"}'
)


class Packet(NamedTuple):
    """A received message; `data` is empty if the other end is closed."""

    data: bytes
    fds: Sequence[int]


class GuardPlan(NamedTuple):
    """A session's program, containment and limits, as its guard needs them."""

    grace_s: float
    # End of the right to run, in seconds since boot, unless a later fence order extends the right.
    fence_s: float
    level: str
    # Folder of the session's own control group; empty for none.
    cgroup: str
    cwd: str
    argv: list[str]
    # The session's whole environment.
    env: dict[str, str]
    umask: int
    # Paths that a session in a mount namespace of its own sees empty, and exceptions below them.
    hidden: list[str]
    kept: list[str]
    # The session's groups with limits; see limit_groups.LimitGroup.
    groups: Sequence[tuple[Any, ...]]
    # Whether the program is a sandbox around the session, which a SIGTERM would end before the session.
    wrapped: bool
    # The container around the session, empty for none; see containers.SessionContainer.
    container: tuple[Any, ...] = ()


class SessionRequest(NamedTuple):
    """A session to guard, with its descriptors."""

    # Held until nothing of the session is left.
    lock: int
    # The session's stdin, stdout and stderr.
    streams: Sequence[int]
    plan: GuardPlan


class GuardOrder(NamedTuple):
    """An order of the worker. `number` is a grace period in seconds, a fence in seconds since boot, or 0 for a ping."""

    name: bytes
    number: float


class KillCounts(NamedTuple):
    """Processes that were found when the end began, asked by SIGTERM, killed, and left alive."""

    found: int
    terminated: int
    killed: int
    survivors: int


class GuardReport(NamedTuple):
    """A report of a guard as the worker reads it. Only `ended` fills more than `event` and `error`."""

    event: str
    error: str = ""
    code: int | None = None
    cause: str = ""
    containment: str = ""
    counts: KillCounts = KillCounts(0, 0, 0, 0)
    duration_s: float = 0.0
    # The resources whose limits the session has reached, separated by spaces.
    limits: str = ""


def receive(sock: socket.socket, max_bytes: int, max_fds: int) -> Packet:
    """Receives a packet with its descriptors, which are closed on exec.

    `socket.recv_fds` would let every started program inherit the descriptors.
    """
    space = socket.CMSG_LEN(max_fds * FD_BYTES)
    data, ancillary, _, _ = sock.recvmsg(max_bytes, space, socket.MSG_CMSG_CLOEXEC)
    return Packet(data, [fd for _, _, rights in ancillary for fd in memoryview(rights).cast("i")])


def dump_plan(plan: GuardPlan) -> bytes:
    """Returns the plan as the content of the file that goes with a session request."""
    return marshal.dumps(tuple[Any, ...](plan))


def load_request(fds: Sequence[int]) -> SessionRequest:
    """Reads a session request from its descriptors, and closes the plan's file."""
    lock, *streams, plan_fd = fds
    content = os.pread(plan_fd, os.fstat(plan_fd).st_size, 0)
    os.close(plan_fd)
    return SessionRequest(lock, streams, GuardPlan(*marshal.loads(content)))  # noqa: S302  # the worker wrote it


def kill_order(grace_s: float) -> bytes:
    """Returns the order to end the session within a grace period; 0 kills at once."""
    return b"%b %r" % (KILL, grace_s)


def fence_order(until_s: float) -> bytes:
    """Returns the order that lets the session run until then, in seconds since boot."""
    return b"%b %r" % (FENCE, until_s)


def parse_order(packet: bytes) -> GuardOrder:
    """Reads an order of the worker."""
    name, _, number = packet.partition(b" ")
    return GuardOrder(name, float(number or 0))


def ended_report(
    code: int | None, cause: str, containment: str, counts: KillCounts, duration_s: float, *, limits: str = ""
) -> bytes:
    """Returns the report that the session has ended; `limits` are the resources whose limits it reached."""
    code_text = "null" if code is None else code
    return (_ENDED_REPORT % (code_text, cause, containment, *counts, duration_s, limits)).encode()


def error_report(event: str, error: str) -> bytes:
    """Returns the report of a start that failed, or of a guard that broke.

    The module `json` is not used: a guard in a user namespace may no longer be able to read Python's own files.
    """
    return f'{{"event": "{event}", "error": "{error.translate(_ESCAPES)}"}}'.encode(errors="replace")


def parse_report(packet: bytes) -> GuardReport:
    """Reads a report of a guard; for the worker."""
    import json  # noqa: PLC0415  # guards do without

    report: dict[str, Any] = json.loads(packet)
    if report["event"] != ENDED:
        return GuardReport(report["event"], report["error"])
    counts = KillCounts(*(report[name] for name in KillCounts._fields))
    return GuardReport(
        event=ENDED,
        code=report["code"],
        cause=report["cause"],
        containment=report["containment"],
        counts=counts,
        duration_s=report["duration_s"],
        limits=report["limits"],
    )
