"""Definitions as JSON. Invariant: equal definitions have equal texts, so texts can be compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from enum import StrEnum
from typing import Any, Final

from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.definition import FollowUps, TaskDefinition
from swarmd.domain.model import DependencyFailurePolicy, DisconnectPolicy
from swarmd.domain.rehearsal import Rehearsal, RehearsalCall, RehearsalScript
from swarmd.domain.sandbox import (
    NO_ENFORCEMENT,
    Enforcement,
    NetworkAccess,
    ResourceLimits,
    SandboxKind,
)
from swarmd.domain.workspaces import ExpectedChanges, LandingStyle, RetryFrom, WorkspaceKind

_FIELDS: Final = tuple(field.name for field in fields(TaskDefinition))
# Zero and false are values that the author gave; empty ones are left out.
_GIVEN: Final = (0,)
# Performance: json.dumps with options makes a new encoder for each call (docs/performance.md).
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=dict).encode
_LISTS: Final = (
    "acceptance_criteria",
    "files",
    "design_docs",
    "dependencies",
    "checks",
    "setup",
    "keep",
    "exclusive",
    "artifacts",
    "landing_checks",
)
_CHOICES: Final[Mapping[str, type[StrEnum]]] = {
    "on_dependency_failure": DependencyFailurePolicy,
    "on_disconnect": DisconnectPolicy,
    "workspace": WorkspaceKind,
    "landing": LandingStyle,
    "changes": ExpectedChanges,
    "retry_from": RetryFrom,
    "sandbox": SandboxKind,
    "network": NetworkAccess,
    "approve": ApprovalPoint,
    "follow_ups": FollowUps,
}


def encode(definition: TaskDefinition) -> str:
    """Returns the definition as JSON, without the empty fields."""
    body = {name: value for name in _FIELDS if (value := getattr(definition, name)) or value in _GIVEN}
    if definition.rehearsal is not None:
        body["rehearsal"] = asdict(definition.rehearsal)
    if definition.limits:
        body["limits"] = asdict(definition.limits)
    return _encode(body)


def decode(text: str) -> TaskDefinition:
    """Returns the definition that `encode` wrote."""
    body: dict[str, Any] = json.loads(text)
    for name in _LISTS:
        if name in body:
            body[name] = tuple(body[name])
    for name, kind in _CHOICES.items():
        if name in body:
            body[name] = kind(body[name])
    if (rehearsal := body.get("rehearsal")) is not None:
        body["rehearsal"] = Rehearsal(_scripts(rehearsal["builder"]), _scripts(rehearsal["validator"]))
    if (limits := body.get("limits")) is not None:
        body["limits"] = ResourceLimits(**limits)
    return TaskDefinition(**body)


def encode_labels(labels: dict[str, str]) -> str:
    """Returns labels as JSON, sorted by name."""
    return json.dumps(labels, sort_keys=True, separators=(",", ":"))


def encode_enforcement(enforcement: Enforcement) -> str:
    """Returns what a worker can enforce as JSON."""
    return _encode(asdict(enforcement))


def decode_enforcement(text: str) -> Enforcement:
    """Returns what `encode_enforcement` wrote; nothing for a worker of an older version."""
    body: dict[str, Any] = json.loads(text)
    if not body:
        return NO_ENFORCEMENT
    kinds = tuple(SandboxKind(kind) for kind in body["sandboxes"])
    return Enforcement(kinds, body["no_network"], ResourceLimits(**body["limits"]))


def _scripts(scripts: Sequence[dict[str, Any]]) -> tuple[RehearsalScript, ...]:
    return tuple(
        RehearsalScript(
            tuple(RehearsalCall(call["tool"], call["arguments"]) for call in s["calls"]), s["reply"]
        )
        for s in scripts
    )
