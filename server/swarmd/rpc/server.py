"""The gRPC server: limits, TLS, start and stop."""

from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from amplifier_swarm.channel import KEEPALIVE, MAX_MESSAGE_BYTES, WINDOW
from amplifier_swarm.keda import externalscaler_pb2_grpc
from amplifier_swarm.v1 import operator_service_pb2_grpc, session_service_pb2_grpc, worker_service_pb2_grpc
from swarmd.engine.swarm import Swarm
from swarmd.rpc import limits
from swarmd.rpc.auth import AuthWrapper
from swarmd.rpc.operator_service import OperatorService
from swarmd.rpc.scaler_service import ScalerService
from swarmd.rpc.session_service import SessionService
from swarmd.rpc.worker_service import WorkerService
from swarmd.tls.files import TlsFiles
from swarmd.wire.reads import Reads

SERVICES: Final = (
    "amplifier_swarm.v1.WorkerService",
    "amplifier_swarm.v1.OperatorService",
    "amplifier_swarm.v1.SessionService",
    "externalscaler.ExternalScaler",
)


class RpcServer:
    """The gRPC server of one swarm on one address."""

    def __init__(self, swarm: Swarm, reads: Reads, *, scaler_open: bool = False) -> None:
        """With `scaler_open`, the methods of KEDA's protocol need no token."""
        self._server = grpc.aio.server(options=_options())
        wrapper = AuthWrapper(swarm.tokens, swarm.live.grants, swarm.observer, scaler_open=scaler_open)
        registrar = wrapper.registrar(self._server)
        worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(WorkerService(swarm), registrar)
        operator_service_pb2_grpc.add_OperatorServiceServicer_to_server(
            OperatorService(swarm, reads), registrar
        )
        session_service_pb2_grpc.add_SessionServiceServicer_to_server(SessionService(swarm), registrar)
        externalscaler_pb2_grpc.add_ExternalScalerServicer_to_server(ScalerService(swarm), registrar)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, registrar)
        reflected = reflection.aio.ReflectionServicer(
            (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        )
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, registrar)

    async def start(self, address: str, tls: TlsFiles | None) -> int:
        """Starts to serve and returns the port.

        Raises: OSError if the address can't be bound.
        """
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, _credentials(tls))
        except RuntimeError as error:
            raise OSError(str(error)) from error
        await self._server.start()
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def stop(self, grace_s: float) -> None:
        """Reports NOT_SERVING to health probes, waits up to `grace_s` for calls in flight, and stops."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


def _options() -> list[tuple[str, int]]:
    return [
        # With SO_REUSEPORT a second server would silently share the port and get half of the calls.
        ("grpc.so_reuseport", 0),
        *KEEPALIVE,
        *WINDOW,
        # Workers ping every 20 s; without this gRPC would take the pings for an attack.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", 16 * 1024),
        # Room for a whole fleet that reconnects at once.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 200_000),
        ("grpc.max_concurrent_streams", limits.MAX_STREAMS_PER_CONNECTION),
        ("grpc.max_connection_idle_ms", limits.IDLE_CONNECTION_MS),
    ]


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    """Returns credentials that each handshake takes from the newest contents of the files."""
    used = tls.version

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        # Runs in a thread of gRPC, at each handshake: the files themselves are read elsewhere.
        nonlocal used
        if used == tls.version:
            return None
        used = tls.version
        return _configuration(tls)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(tls),
        fetch,  # type: ignore[arg-type]  # grpcio takes None for "unchanged", and its stubs do not say so
        require_client_authentication=tls.client_ca is not None,
    )


def _configuration(tls: TlsFiles) -> grpc.ServerCertificateConfiguration:
    found = tls.contents
    return grpc.ssl_server_certificate_configuration([(found.key, found.chain)], found.client_ca)
