"""The first contact of a worker with its server: the certificate of the server's CA, and a credential of its own.

Only a worker that lacks one of the two loads this module. Both are kept in the state folder for later starts.
"""

import asyncio
import hashlib
from dataclasses import replace
from typing import Final

import grpc
import structlog

from amplifier_swarm.channel import Endpoint
from amplifier_swarm.credentials import is_join_token
from amplifier_swarm.errors import WireError, unpack
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.pinning import FirstContactFailed, fetch_authority
from amplifier_swarm.v1 import worker_service_pb2 as wire
from swarm_worker.config import WorkerConfig
from swarm_worker.rpc.connection import ServerConnection, connected
from swarm_worker.rpc.retry import CALL_TIMEOUT_S, CallRetry, OutageLog, exit_for, exit_for_settings
from swarm_worker.storage.credential import OwnCredential, draw_credential, keep_credential
from swarm_worker.storage.files import write_durably
from swarm_worker.storage.state_dir import StateFolder

RETRY_CAP_S: Final = 5.0
JOIN_REFUSED: Final = "JOIN_REFUSED"

_log = structlog.get_logger()


async def arrive(endpoint: Endpoint, config: WorkerConfig, folder: StateFolder) -> Endpoint:
    """Returns the endpoint with the certificate of the CA and with the worker's own credential.

    Waits for the server without limit.

    Raises:
        ProgramExit: The server has another CA, or does not take the join token.
    """
    outages = OutageLog(endpoint.server)
    if endpoint.tls_ca_fingerprint and not endpoint.pinned_ca:
        authority = await _fetch(endpoint, CallRetry("the first contact", outages, cap_s=RETRY_CAP_S))
        write_durably(folder.authority, authority)
        endpoint = replace(endpoint, pinned_ca=authority)
    if is_join_token(endpoint.token):
        credential = draw_credential(folder, endpoint.token)
        async with connected(endpoint) as connection:
            await _exchange(connection, _request(config, folder, credential), outages)
        keep_credential(folder, credential)
        _log.info("joined", worker=folder.name, credential=credential.token_id)
        endpoint = replace(endpoint, token=credential.text, token_file=None)
    return endpoint


async def _fetch(endpoint: Endpoint, retry: CallRetry) -> bytes:
    while True:
        try:
            authority = await asyncio.to_thread(fetch_authority, endpoint.server, endpoint.tls_ca_fingerprint)
        except FirstContactFailed as error:
            await retry.wait_after(WireError(grpc.StatusCode.UNAVAILABLE, str(error)))
        else:
            retry.succeeded()
            return authority


async def _exchange(connection: ServerConnection, request: wire.JoinSwarmRequest, outages: OutageLog) -> None:
    """Exchanges the join token, however long the server stays away; repetitions change nothing."""
    retry = CallRetry("JoinSwarm", outages, cap_s=RETRY_CAP_S)
    while True:
        try:
            await connection.service.JoinSwarm(request, timeout=CALL_TIMEOUT_S, metadata=connection.metadata)
        except grpc.RpcError as error:
            failed = unpack(error)
            if end := _exit_for(failed):
                raise end from None
            await retry.wait_after(failed)
        else:
            retry.succeeded()
            return


def _exit_for(error: WireError) -> ProgramExit | None:
    if error.reason == JOIN_REFUSED:
        return ProgramExit(ExitCode.DENIED, error.message)
    if error.code is grpc.StatusCode.UNIMPLEMENTED:
        return ProgramExit(
            ExitCode.UNREACHABLE, "the server knows no join tokens", hint="is it as new as this worker?"
        )
    return exit_for(error) or exit_for_settings(error)


def _request(config: WorkerConfig, folder: StateFolder, credential: OwnCredential) -> wire.JoinSwarmRequest:
    return wire.JoinSwarmRequest(
        worker=folder.name,
        instance=folder.instance,
        credential_id=credential.token_id,
        secret_hash=hashlib.sha256(credential.secret.encode()).digest(),
        labels=dict(config.label),
    )
