"""Conversion of enums: the contract has the domain's members with a prefix."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from amplifier_swarm.v1 import (
    budget_pb2,
    event_pb2,
    hold_pb2,
    operator_service_pb2,
    session_pb2,
    swarm_pb2,
    task_pb2,
    worker_service_pb2,
)
from swarmd.domain import model, sandbox, workspaces
from swarmd.domain.approvals import ApprovalPoint
from swarmd.domain.definition import FollowUps
from swarmd.domain.errors import InvalidRequest
from swarmd.domain.holds import HoldKind
from swarmd.domain.landing import StartPoint
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.shared_budget import BudgetKind
from swarmd.domain.token_terms import TokenKind
from swarmd.engine.reports.reasons import ReasonKind
from swarmd.engine.reports.session_logs import EntryKind
from swarmd.store.events import EventKind

E = TypeVar("E", bound=StrEnum)


class EnumMap(Generic[E]):
    """A pair of enums.

    Raises: ValueError at construction if the contract lacks a member of the domain's enum.
    """

    def __init__(self, kind: type[E], wire: Any, prefix: str) -> None:
        self._to_wire: dict[E, Any] = {worker: wire.Value(f"{prefix}_{worker.name}") for worker in kind}
        self._from_wire = {value: worker for worker, value in self._to_wire.items()}

    def to_wire(self, worker: E | None) -> Any:
        """Returns the contract's value; UNSPECIFIED for None."""
        return 0 if worker is None else self._to_wire[worker]

    def from_wire(self, value: int, field: str) -> E:
        """Returns the domain's worker.

        Raises: InvalidRequest for an unknown value and for UNSPECIFIED.
        """
        worker = self._from_wire.get(value)
        if worker is None:
            raise InvalidRequest(field, f"{value} is not one of the values that this server knows")
        return worker

    def known(self, values: Iterable[int]) -> tuple[E, ...]:
        """Returns the members of the values that this server knows, each once; the others are ignored."""
        return tuple(self._from_wire[value] for value in dict.fromkeys(values) if value in self._from_wire)

    def optional(self, value: int, field: str) -> E | None:
        """Returns the domain's member, None for UNSPECIFIED.

        Raises: InvalidRequest for an unknown value.
        """
        return None if value == 0 else self.from_wire(value, field)


APPROVAL_POINT: Final = EnumMap(ApprovalPoint, hold_pb2.ApprovalPoint, "APPROVAL_POINT")
BUDGET_KIND: Final = EnumMap(BudgetKind, budget_pb2.BudgetKind, "BUDGET_KIND")
HOLD_KIND: Final = EnumMap(HoldKind, hold_pb2.HoldKind, "HOLD_KIND")
TASK_STATUS: Final = EnumMap(TaskStatus, task_pb2.TaskStatus, "TASK_STATUS")
FAILURE_CLASS: Final = EnumMap(model.FailureClass, task_pb2.FailureClass, "FAILURE_CLASS")
POLICY: Final = EnumMap(
    model.DependencyFailurePolicy, task_pb2.DependencyFailurePolicy, "DEPENDENCY_FAILURE_POLICY"
)
DISCONNECT_POLICY: Final = EnumMap(model.DisconnectPolicy, task_pb2.DisconnectPolicy, "DISCONNECT_POLICY")
WORKSPACE: Final = EnumMap(workspaces.WorkspaceKind, task_pb2.WorkspaceKind, "WORKSPACE_KIND")
LANDING_STYLE: Final = EnumMap(workspaces.LandingStyle, task_pb2.LandingStyle, "LANDING_STYLE")
CHANGES: Final = EnumMap(workspaces.ExpectedChanges, task_pb2.ExpectedChanges, "EXPECTED_CHANGES")
RETRY_FROM: Final = EnumMap(workspaces.RetryFrom, task_pb2.RetryFrom, "RETRY_FROM")
START_POINT: Final = EnumMap(StartPoint, task_pb2.StartPoint, "START_POINT")
FOLLOW_UPS: Final = EnumMap(FollowUps, task_pb2.FollowUps, "FOLLOW_UPS")
SANDBOX: Final = EnumMap(sandbox.SandboxKind, task_pb2.SandboxKind, "SANDBOX_KIND")
NETWORK: Final = EnumMap(sandbox.NetworkAccess, task_pb2.NetworkAccess, "NETWORK_ACCESS")
ATTEMPT_OUTCOME: Final = EnumMap(model.AttemptOutcome, task_pb2.AttemptOutcome, "ATTEMPT_OUTCOME")
OUTCOME_KIND: Final = EnumMap(model.OutcomeKind, task_pb2.OutcomeKind, "OUTCOME_KIND")
LOG_KIND: Final = EnumMap(EntryKind, session_pb2.LogKind, "LOG_KIND")
SESSION_ROLE: Final = EnumMap(model.SessionRole, session_pb2.SessionRole, "SESSION_ROLE")
ORDER_ACTION: Final = EnumMap(model.OrderAction, worker_service_pb2.OrderAction, "ORDER_ACTION")
DISPOSITION: Final = EnumMap(model.Disposition, worker_service_pb2.FinishDisposition, "FINISH_DISPOSITION")
MODE: Final = EnumMap(model.SwarmMode, swarm_pb2.SwarmMode, "SWARM_MODE")
TOKEN_KIND: Final = EnumMap(TokenKind, operator_service_pb2.TokenKind, "TOKEN_KIND")
ROLE: Final = EnumMap(model.Role, operator_service_pb2.Role, "ROLE")
EVENT_KIND: Final = EnumMap(EventKind, event_pb2.EventKind, "EVENT_KIND")
REASON_KIND: Final = EnumMap(ReasonKind, operator_service_pb2.ReasonKind, "REASON_KIND")
