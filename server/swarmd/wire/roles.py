"""The one table of roles by method, for gRPC and HTTP: a route has the roles of its method."""

from collections.abc import Mapping
from typing import Final

from swarmd.domain.model import Role

_WORKER: Final = frozenset({Role.WORKER, Role.OPERATOR})
_VIEWER: Final = frozenset({Role.VIEWER, Role.OPERATOR})
_OPERATOR: Final = frozenset({Role.OPERATOR})

WORKER_SERVICE: Final[Mapping[str, frozenset[Role]]] = {
    # Of join tokens alone, which may call nothing else: see rpc/auth.py.
    "JoinSwarm": frozenset(),
    "ClaimTask": _WORKER,
    "Heartbeat": _WORKER,
    "RecordSession": _WORKER,
    "ReportProgress": _WORKER,
    "FinishTask": _WORKER,
    "LandTask": _WORKER,
    "PutArtifact": _WORKER,
}
OPERATOR_SERVICE: Final[Mapping[str, frozenset[Role]]] = {
    "AddTasks": _OPERATOR,
    "ExportTasks": _VIEWER,
    "GetTask": _VIEWER,
    "DiffTask": _VIEWER,
    "ListArtifacts": _VIEWER,
    "GetArtifact": _VIEWER,
    "ListTasks": _VIEWER,
    "ExplainTask": _VIEWER,
    "RetryTask": _OPERATOR,
    "LandWork": _OPERATOR,
    "KillTask": _OPERATOR,
    "AcceptResult": _OPERATOR,
    "HoldTask": _OPERATOR,
    "UnholdTask": _OPERATOR,
    "AnswerTask": _OPERATOR,
    "NoteTask": _OPERATOR,
    "ApproveTask": _OPERATOR,
    "RejectTask": _OPERATOR,
    "RaiseBudget": _OPERATOR,
    "ListInbox": _VIEWER,
    "ListBudgets": _VIEWER,
    "AddDependency": _OPERATOR,
    "RemoveDependency": _OPERATOR,
    "GetSwarm": _VIEWER,
    "PauseSwarm": _OPERATOR,
    "EmergencyStop": _OPERATOR,
    "ResumeSwarm": _OPERATOR,
    "ListWorkers": _VIEWER,
    "DrainWorker": _OPERATOR,
    "ForgetWorker": _OPERATOR,
    "WatchEvents": _VIEWER,
    "TailLog": _VIEWER,
    "Backup": _OPERATOR,
    "FollowDatabase": _OPERATOR,
    "ConfirmCommits": _OPERATOR,
    "CreateToken": _OPERATOR,
    "ListTokens": _OPERATOR,
    "RevokeToken": _OPERATOR,
    "CreateLoginCode": _VIEWER,
}
# Of the tokens of running sessions alone, which may call nothing else: see rpc/auth.py.
SESSION_SERVICE: Final[Mapping[str, frozenset[Role]]] = {
    "SetProgress": frozenset(),
    "FileTask": frozenset(),
    "AskPerson": frozenset(),
    "AwaitAnswer": frozenset(),
    "ReadDependencies": frozenset(),
    "AddArtifact": frozenset(),
}
# What KEDA asks. With `--scaler-open` it needs no token, since KEDA can't send one.
SCALER_SERVICE: Final[Mapping[str, frozenset[Role]]] = {
    "IsActive": _VIEWER,
    "StreamIsActive": _VIEWER,
    "GetMetricSpec": _VIEWER,
    "GetMetrics": _VIEWER,
}
