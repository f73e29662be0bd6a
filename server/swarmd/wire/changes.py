"""Conversion of changes and landings: bounded, and without what looks like a secret in a patch."""

import re
import zlib
from typing import Final

from google.protobuf import json_format

from amplifier_swarm.masking import Mask
from amplifier_swarm.v1 import task_pb2
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.landing import ReportedChange, ReportedLanding

MAX_FILES: Final = 2_000
MAX_PATCH: Final = 1024 * 1024
MAX_IGNORED: Final = 100
MAX_PATH: Final = 4_096
MAX_BRANCH: Final = 255
MAX_REF: Final = 512
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# What git refuses in the name of a ref, and a leading dash, which a command would take for an option.
_BAD_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[-/]|[/.]$|\.lock(/|$)|(^|/)\.|^@$")
_STATUSES: Final = frozenset("AMDRT")
_MASK: Final = Mask()


def check_outcome(message: task_pb2.Outcome) -> None:
    """Checks the sizes and formats of the outcome's change and landing.

    Raises: InvalidRequest for a field that is out of range.
    """
    if message.HasField("change"):
        _check_change(message.change)
    if message.HasField("landing"):
        landing, field = message.landing, "finished.outcome.landing"
        check_branch(landing.target, f"{field}.target")
        _check_commit(landing.commit, f"{field}.commit")
        if landing.onto or not landing.found:
            _check_commit(landing.onto, f"{field}.onto")


def check_branch(name: str, field: str) -> None:
    """Checks the name of a branch.

    Raises: InvalidRequest unless git takes the name.
    """
    if not 1 <= len(name) <= MAX_BRANCH or _BAD_REF.search(name):
        raise InvalidRequest(
            field, f"is not a branch that git allows, of at most {MAX_BRANCH} characters: {name[:80]!r}"
        )


def read_change(message: task_pb2.Change) -> ReportedChange:
    """Converts a change; masks secrets in the message, which it changes."""
    _MASK.message(message)
    patch = zlib.compress(message.patch.encode()) if message.patch else b""
    message.ClearField("patch")
    summary = json_format.MessageToJson(message, indent=None, preserving_proto_field_name=True)
    return ReportedChange(message.base, message.head, summary, patch)


def read_landing(message: task_pb2.Landing) -> ReportedLanding:
    """Converts a landing."""
    return ReportedLanding(message.target, message.commit, message.onto, message.found)


def write_change(summary: str, patch: bytes | None = None) -> task_pb2.Change:
    """Returns a stored change as a message, with the patch if it is given."""
    message = json_format.Parse(summary, task_pb2.Change(), ignore_unknown_fields=True)
    if patch:
        message.patch = zlib.decompress(patch).decode()
    return message


def parse_landing(landing: str) -> task_pb2.Landing:
    """Parses a stored landing."""
    return json_format.Parse(landing, task_pb2.Landing(), ignore_unknown_fields=True)


def _check_change(change: task_pb2.Change) -> None:
    field = "finished.outcome.change"
    _check_commit(change.base, f"{field}.base")
    _check_commit(change.head, f"{field}.head")
    if change.ref and (
        not change.ref.startswith("refs/") or len(change.ref) > MAX_REF or _BAD_REF.search(change.ref)
    ):
        raise InvalidRequest(f"{field}.ref", f"is not a ref that git allows: {change.ref[:80]!r}")
    limits = (
        ("files", len(change.files), MAX_FILES, "files"),
        ("ignored", len(change.ignored), MAX_IGNORED, "paths"),
        ("patch", len(change.patch.encode()), MAX_PATCH, "bytes"),
    )
    for name, count, most, unit in limits:
        if count > most:
            raise InvalidRequest(f"{field}.{name}", f"has {count:,} {unit}; send at most {most:,}")
    if change.file_count < len(change.files):
        raise InvalidRequest(
            f"{field}.file_count",
            f"is {change.file_count}, and there are {len(change.files)} files; count them all",
        )
    for file in change.files:
        if not 1 <= len(file.path) <= MAX_PATH:
            raise InvalidRequest(f"{field}.files.path", f"must have from 1 to {MAX_PATH:,} characters")
        if file.status not in _STATUSES:
            raise InvalidRequest(
                f"{field}.files.status", f"is {file.status[:20]!r}; send one of A, M, D, R, T"
            )
        if file.added < 0 or file.removed < 0:
            raise InvalidRequest(f"{field}.files", f"{file.path[:80]!r} has a negative count of lines")
    if any(len(path) > MAX_PATH for path in change.ignored):
        raise InvalidRequest(f"{field}.ignored", f"has a path of more than {MAX_PATH:,} characters")


def _check_commit(text: str, field: str) -> None:
    if not _COMMIT.fullmatch(text):
        raise InvalidRequest(
            field, f"is not a commit; send its 40 or 64 hexadecimal digits, got {text[:80]!r}"
        )
