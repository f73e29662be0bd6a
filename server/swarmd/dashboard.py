"""The start of the dashboard: its address, and the certificates of an address that the network reaches."""

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.config import ServerConfig
from swarmd.engine.swarm import Swarm
from swarmd.listen import OFF, ServerTls, host_of, is_loopback
from swarmd.metrics.exposition import Metrics
from swarmd.metrics.meters import Meters
from swarmd.wire.reads import Reads

if TYPE_CHECKING:
    from swarmd.tls.files import TlsFiles
    from swarmd.web.server import ListenAddress


class ServedDashboard(NamedTuple):
    """A dashboard that is served, or `off` in place of its URL."""

    url: str
    # Takes a changed certificate for new connections.
    reload_tls: Callable[[], None]


async def serve_dashboard(
    swarm: Swarm,
    reads: Reads,
    meters: Meters | None,
    config: ServerConfig,
    stack: contextlib.AsyncExitStack,
    *,
    tls: ServerTls | None,
) -> ServedDashboard:
    """Serves the dashboard until the stack is left, or none without meters.

    Raises:
        ProgramExit: its address can't be bound.
    """
    if meters is None:
        return ServedDashboard(OFF, lambda: None)
    # Imported here, since swarmd without a dashboard does not need it.
    from swarmd.web.server import WebServer  # noqa: PLC0415

    # Browsers of this host need no TLS, and would warn about the name in the certificate.
    files = None if tls is None or is_loopback(host_of(config.dashboard)) else tls.files
    metrics = Metrics(swarm, meters, started_us=reads.started_us)
    web = WebServer(swarm, reads, metrics, _listen_address(config, files))
    try:
        url = await web.start()
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"can't serve the dashboard on {config.dashboard}: {_error_text(error)}",
            hint="give another --dashboard, such as 127.0.0.1:0 for a free port, or `--dashboard off`",
        ) from error
    stack.push_async_callback(web.stop)
    return ServedDashboard(url, web.reload_tls)


def _listen_address(config: ServerConfig, files: "TlsFiles | None") -> "ListenAddress":
    from swarmd.web.server import ListenAddress  # noqa: PLC0415  # see serve_dashboard

    return ListenAddress(
        config.dashboard,
        files,
        config.dashboard_name,
        metrics_open=config.metrics_open,
        path=config.dashboard_path,
        trusted_proxies=config.trusted_proxy,
    )


def _error_text(error: OSError) -> str:
    """Returns the text of the error without the parts that asyncio adds."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror or error)
