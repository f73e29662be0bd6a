"""The filter of system calls in a sandbox: those that reach past namespaces fail with EPERM.

Keyrings belong to a user and a session of the kernel, not to a namespace. The others are a large part of the kernel
that no builder needs. A program of another architecture, whose numbers mean other calls, gets EPERM for every call.
"""

import errno
import json
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

# Instructions of the kernel's packet filter: load a word, compare and jump, return.
_LOAD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_GREATER_EQUAL: Final = 0x35
_RETURN: Final = 0x06
# Offsets in struct seccomp_data.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ALLOW: Final = 0x7FFF_0000
_DENY: Final = 0x0005_0000 | 1  # SECCOMP_RET_ERRNO with EPERM


# The same calls by name, and those that make or enter namespaces.
DENIED_IN_CONTAINERS: Final = frozenset(
    {"add_key", "request_key", "keyctl", "bpf", "perf_event_open", "userfaultfd"}
    | {"io_uring_setup", "io_uring_enter", "io_uring_register", "unshare", "setns", "clone", "clone3"}
)
# CLONE_NEW… of all kinds.
NEW_NAMESPACES: Final = 0x7E02_0000


class Calls(NamedTuple):
    """An architecture's number for the audit, and its numbers of the denied calls."""

    architecture: int
    # add_key, request_key, keyctl, bpf, perf_event_open, userfaultfd, io_uring_setup, io_uring_enter, io_uring_register
    denied: tuple[int, ...]
    # Numbers from here on are another interface (x32); 0 if there is none.
    foreign_from: int = 0


KNOWN: Final = {
    "x86_64": Calls(0xC000_003E, (248, 249, 250, 321, 298, 323, 425, 426, 427), foreign_from=0x4000_0000),
    "aarch64": Calls(0xC000_00B7, (217, 218, 219, 280, 241, 282, 425, 426, 427)),
}


def filter_program(machine: str = os.uname().machine) -> bytes:
    """Returns the filter for bubblewrap's --seccomp; empty for a machine whose numbers are not known here."""
    calls = KNOWN.get(machine)
    return b"" if calls is None else b"".join(_instructions(calls))


def _instructions(calls: Calls) -> Iterator[bytes]:
    deny = _instruction(_RETURN, _DENY)
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_JUMP_EQUAL, calls.architecture, if_true=1)
    yield deny
    yield _instruction(_LOAD, _NUMBER)
    if calls.foreign_from:
        yield _instruction(_JUMP_GREATER_EQUAL, calls.foreign_from, if_false=1)
        yield deny
    for number in calls.denied:
        yield _instruction(_JUMP_EQUAL, number, if_false=1)
        yield deny
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def container_profile(given: str) -> str:
    """Returns podman's profile of system calls without those that the filter denies, and without new namespaces.

    Raises:
        ValueError: it is not such a profile.
    """
    try:
        profile = json.loads(given)
        for rule in profile["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in DENIED_IN_CONTAINERS]
    except (KeyError, TypeError) as error:
        raise ValueError("it is not a profile of system calls") from error
    masked = {"index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    rules = [rule for rule in profile["syscalls"] if rule["names"]]
    # The C library tries clone, whose flags a filter can read, when there is no clone3.
    rules += [
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [masked]},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
    ]
    return json.dumps({**profile, "syscalls": rules})
