"""The token of a run's workers: of the role worker, never the operator's."""

import re
from pathlib import Path
from typing import Final

from amplifier_swarm.v1.operator_service_pb2 import CreateTokenRequest, ListTokensRequest, Role
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.atomic_file import replacing

NAME: Final = "workers of swarmctl run"
# `swt1_<role>_<id>_<secret>`, as swarmd makes them.
_TOKEN: Final = re.compile(r"swt1_worker_(?P<id>[0-9a-f]{12})_\S+")


def ensure_worker_token(stub: OperatorServiceStub, file: Path) -> None:
    """Sees to a file with a worker's token that the server accepts; keeps the one of an earlier run."""
    tokens = stub.ListTokens(ListTokensRequest(), timeout=DEADLINE_S).tokens
    valid = {token.token_id for token in tokens if not token.HasField("revoked_at")}
    if _token_id(file) in valid:
        return
    request = CreateTokenRequest(role=Role.ROLE_WORKER, name=NAME)
    token = stub.CreateToken(request, timeout=DEADLINE_S).token
    with replacing(str(file), mode=0o600) as out:
        out.write(f"{token}\n".encode())


def _token_id(file: Path) -> str | None:
    try:
        match = _TOKEN.fullmatch(file.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        return None
    return match["id"] if match else None
