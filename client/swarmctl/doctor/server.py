"""The checks of the server: its answer, the role of the token, its version, mode and clock."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import grpc

from amplifier_swarm import __version__
from amplifier_swarm.errors import unpack
from amplifier_swarm.exits import ProgramExit
from amplifier_swarm.proxy import VARIABLES, proxy_variable
from amplifier_swarm.v1.operator_service_pb2 import (
    GetSwarmRequest,
    GetSwarmResponse,
    ListTokensRequest,
)
from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
from amplifier_swarm.v1.swarm_pb2 import Swarm, SwarmMode
from swarmctl import text_format
from swarmctl.api.errors import explain
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.doctor.check import Check, fail, failed_by, ok, warn

# Clocks that NTP keeps differ by less; a larger difference makes logs hard to read.
SKEW_S: Final = 2.0
_RESUME: Final = "`swarmctl resume`, when it is mended"


def server_checks(ctl: CommandContext) -> Iterator[Check]:
    """Yields all checks of the server, or the failure that prevents the others."""
    where = ctl.server
    yield from proxy_check(where, tls=ctl.uses_tls)
    try:
        asked = datetime.now(UTC)
        answer = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S)
        answered = datetime.now(UTC)
        swarm = answer.swarm
        yield ok("server", f"swarmd {swarm.version} answers at {where}")
        yield version_check(swarm.version)
        yield ok("token", f"its role is {_role(ctl.stub)}")
        yield mode_check(swarm)
        yield from paused_checks(swarm)
        yield clock_check(answer, asked, answered)
    except grpc.RpcError as error:
        yield _refused(error, where)
    except ProgramExit as end:
        yield failed_by("server", end)


def proxy_check(server: str, *, tls: bool) -> Iterator[Check]:
    """Names the proxy between this machine and the server, if there is one."""
    if variable := proxy_variable(server, tls=tls):
        yield ok("proxy", f"{server} is reached through the proxy of ${variable}; no_proxy excludes hosts")
    elif any(os.environ.get(name) for name in VARIABLES):
        yield ok("proxy", f"{server} is dialled directly; a proxy of the environment is not used for it")


def version_check(server: str) -> Check:
    """Checks that client and server have the same version."""
    if server == __version__:
        return ok("versions", f"client and server are {server}")
    return warn(
        "versions", f"client {__version__}, server {server}", "install the same version on both sides"
    )


def mode_check(swarm: Swarm) -> Check:
    """Checks that tasks would be claimed now."""
    mode = text_format.word(SwarmMode, swarm.mode) or "unknown"
    if swarm.mode == SwarmMode.SWARM_MODE_RUNNING:
        return ok("mode", mode)
    return warn("mode", f"{mode}: {swarm.cause}" if swarm.cause else mode, "`swarmctl resume` ends it")


def paused_checks(swarm: Swarm) -> Iterator[Check]:
    """Yields a failure for each runner whose provider has refused."""
    for paused in swarm.paused_runners:
        if paused.breaker.half_open:
            yield warn("provider", f"{paused.runner} was paused: {paused.cause}", paused.breaker.freed_by)
        else:
            yield fail("provider", f"{paused.runner} is paused: {paused.cause}", _RESUME)


def clock_check(answer: GetSwarmResponse, asked: datetime, answered: datetime) -> Check:
    """Checks that the clocks of server and client agree, as far as one call can show.

    Leases use the server's monotonic clock alone; a difference only makes times hard to read.
    """
    if not answer.HasField("now"):
        return warn("clock", "this server does not tell its time", "install the same version on both sides")
    there = answer.now.ToDatetime(UTC)
    ahead_s = max((there - answered).total_seconds(), 0.0) - max((asked - there).total_seconds(), 0.0)
    if abs(ahead_s) <= SKEW_S:
        return ok("clock", f"the server's differs from ours by less than {SKEW_S:.0f} s")
    side = "ahead of" if ahead_s > 0 else "behind"
    return warn(
        "clock",
        f"the server's clock is {abs(ahead_s):.0f} s {side} ours",
        "set both by NTP; until then times in lists and logs don't fit together",
    )


def _role(stub: OperatorServiceStub) -> str:
    """Returns the role of the token. Only an operator may list tokens; the refusal names any other role."""
    try:
        stub.ListTokens(ListTokensRequest(), timeout=DEADLINE_S)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
            raise
        return unpack(error).metadata.get("role", "none of an operator")
    return "operator"


def _refused(error: grpc.RpcError, where: str) -> Check:
    wire = unpack(error)
    if wire.reason == "ROLE_DENIED":
        found = f"swarmd answers at {where}, and takes this token for a {wire.metadata.get('role')}'s"
        return warn("token", found, "it is good for swarm-worker; operators and viewers need another")
    return failed_by("server", explain(error, server=where))
