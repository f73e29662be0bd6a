"""The handlers that kopf calls, and the loop that looks for workers that are gone."""

import asyncio
import contextlib
import logging
from typing import Any, Final

import aiohttp
import grpc
import kopf
import structlog

from amplifier_swarm.background import in_background
from amplifier_swarm.errors import unpack
from swarm_operator.cluster import GROUP, VERSION, ClusterApi
from swarm_operator.config import OperatorConfig
from swarm_operator.gone_workers import GoneWorkers
from swarm_operator.plan_sync import PlanSync
from swarm_operator.swarm_gateway import SwarmGateway
from swarmctl.api.connection import Connection

FINALIZER: Final = f"{GROUP}/kill"
# How soon an end that is not proven yet is asked for again.
AGAIN_S: Final = 1.0
# The errors of swarmd and of the API server, which pass.
_ERRORS: Final = (grpc.RpcError, aiohttp.ClientError)

_log = structlog.get_logger("swarm-operator")


def operator_settings() -> kopf.OperatorSettings:
    """Returns kopf's settings: one namespace, no rights beyond it, marks under our own group."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.networking.error_backoffs = (1, 2, 5, 10)
    return settings


async def run_operator(config: OperatorConfig, connection: Connection) -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = operator_settings()
    # kopf's loggers have a handler of their own, which keeps their lines from the handler of last resort.
    if logging.lastResort is not None:
        logging.getLogger().addHandler(logging.lastResort)
    access = login(settings)
    cluster = ClusterApi(access, config.namespace)
    swarm = SwarmGateway(connection.stub)
    try:
        async with in_background(_look_for_gone_workers(GoneWorkers(swarm, cluster), config.interval)):
            await kopf.operator(
                registry=registry(PlanSync(swarm, cluster), interval_s=config.interval),
                settings=settings,
                standalone=True,
                namespaces=[config.namespace],
            )
    finally:
        await cluster.close()


def login(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """Returns how to reach the API server: as the Pod's service account, or by a kubeconfig.

    Raises: kopf.LoginError if there is neither.
    """
    found = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(
        settings=settings
    )
    if found is None:
        raise kopf.LoginError("there is neither a service account nor a kubeconfig; set KUBECONFIG")
    return found


def registry(sync: PlanSync, *, interval_s: float) -> kopf.OperatorRegistry:
    """Returns the handlers of plans and tasks."""
    known = kopf.OperatorRegistry()

    @kopf.on.login(registry=known)
    def log_in(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
        return login(settings)

    # The timer alone brings plans to the swarm, so that every path is the path that is tested.
    @kopf.timer(GROUP, VERSION, "swarmplans", interval=interval_s, initial_delay=0, registry=known)
    async def sync_plan(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        with _swarm_errors():
            status = await sync.sync(body)
        if status != dict(body.get("status") or {}):
            patch.status.update(status)

    @kopf.on.delete(GROUP, VERSION, "swarmplans", registry=known)
    async def delete_plan(body: kopf.Body, **_: Any) -> None:
        name = body["metadata"]["name"]
        await _end(sync, (body.get("status") or {}).get("taskIds", ()), f"the SwarmPlan {name} was deleted")

    @kopf.on.delete(GROUP, VERSION, "swarmtasks", registry=known)
    async def delete_task(body: kopf.Body, **_: Any) -> None:
        name = body["metadata"]["name"]
        await _end(sync, [body["spec"]["taskId"]], f"the SwarmTask {name} was deleted")

    return known


async def _end(sync: PlanSync, task_ids: Any, cause: str) -> None:
    """Keeps the object until its tasks are proven to have ended."""
    with _swarm_errors():
        waits = await sync.end_tasks(list(task_ids), cause)
    if waits:
        raise kopf.TemporaryError(waits, delay=AGAIN_S)


@contextlib.contextmanager
def _swarm_errors() -> Any:
    """Makes an error of swarmd or of the API server a delay, with one line."""
    try:
        yield
    except _ERRORS as error:
        raise kopf.TemporaryError(_why(error), delay=5) from error


def _why(error: grpc.RpcError | aiohttp.ClientError) -> str:
    if isinstance(error, grpc.RpcError):
        return f"swarmd: {unpack(error).message}"
    return f"the API server: {error}"


async def _look_for_gone_workers(search: GoneWorkers, interval_s: float) -> None:
    while True:
        try:
            await search.free_tasks()
        except _ERRORS as error:
            _log.warning("can't look for workers that are gone", why=_why(error))
        await asyncio.sleep(interval_s)
