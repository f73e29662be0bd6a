"""Builds the server from its settings, and takes it down again. The only place that knows all parts."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from amplifier_swarm.credentials import read_token
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.standard_streams import print_line
from swarmd.config import ServerConfig
from swarmd.domain.errors import StorageFailed, StorageFull
from swarmd.domain.model import Role
from swarmd.domain.policy import Backoff, stop_after_s
from swarmd.engine.ports import SystemClock, SystemEntropy
from swarmd.engine.swarm import Policy, Swarm
from swarmd.engine.workers.registry import HeartbeatPolicy
from swarmd.listen import host_of, is_loopback, read_tls, refuse_open
from swarmd.metrics.exposition import Metrics
from swarmd.metrics.meters import Meters
from swarmd.notify.sender import courier
from swarmd.notify.service import telling
from swarmd.notify.targets import read_targets
from swarmd.rpc.server import RpcServer, Tls
from swarmd.store import failpoint
from swarmd.store.database import Database
from swarmd.store.file import durable_files
from swarmd.store.file import restore as restoring
from swarmd.store.file.errors import DatabaseHeld, DatabaseUnusable
from swarmd.store.file.opening import Lock
from swarmd.store.file.restore import Restored
from swarmd.store.sessions import LogLimits
from swarmd.tracing.exporter import traced
from swarmd.wire.reads import Reads

# Calls in flight get this long; streams are ended by then.
STOP_GRACE_S: Final = 2.0
LOOK_EVERY_S: Final = 1.0
STOP_FILE: Final = "EMERGENCY_STOP"
OFF: Final = "off"

_log = structlog.get_logger("swarmd")


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers."""

    address: str
    # The dashboard's, or `off`.
    dashboard: str
    db: Path


async def run(config: ServerConfig) -> None:
    """Serves until SIGTERM or SIGINT; raises Exit if it can't, or can't go on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serve(config) as (serving, swarm):
        line = f"grpc={serving.address} dashboard={serving.dashboard} db={serving.db} pid={os.getpid()}"
        print_line(f"swarmd ready {line}")  # scripts wait for it
        await _first(stop.wait(), swarm.db.failed.wait())
        if swarm.db.failed.is_set():
            raise ProgramExit(
                ExitCode.NEGATIVE, f"writing {serving.db} failed", hint="check the disk, then start again"
            )
        _log.info("stopping")


@contextlib.asynccontextmanager
async def serve(config: ServerConfig) -> AsyncIterator[tuple[Serving, Swarm]]:
    """A server that answers, for as long as the block lasts."""
    tls = read_tls(config)
    refuse_open(config.listen, "--listen", tls)
    if config.dashboard != OFF:
        refuse_open(config.dashboard, "--dashboard", tls)
    targets = read_targets(config.notify)
    path = config.db.absolute()
    async with contextlib.AsyncExitStack() as stack:
        sender = await stack.enter_async_context(courier(targets))
        lock = _lock(path)
        stack.callback(lock.release)
        clock = SystemClock()
        db = _open(path, clock)
        stack.push_async_callback(db.close)
        entropy = SystemEntropy()
        meters = None if config.dashboard == OFF else Meters()
        swarm = Swarm(db, clock=clock, entropy=entropy, policy=_policy(config), observer=meters)
        stack.push_async_callback(swarm.close)
        await _boot(swarm, config, path)
        await stack.enter_async_context(telling(swarm, targets, sender, entropy))
        await stack.enter_async_context(traced(swarm))
        started_us = clock.wall_us()
        looks = Reads(swarm, started_us=started_us)
        server = RpcServer(swarm, looks)
        port = await _start(server, config.listen, tls)
        stack.push_async_callback(server.stop, STOP_GRACE_S)
        dashboard = OFF
        if meters is not None:
            metrics = Metrics(swarm, meters, started_us=started_us)
            dashboard = await _start_web(swarm, looks, metrics, config, stack)
        looking = asyncio.create_task(_keep_looking(swarm, path.parent))
        stack.push_async_callback(_cancel, looking)
        # Streams must end before the server waits for them.
        stack.push_async_callback(swarm.close)
        yield Serving(f"{config.listen.rpartition(':')[0]}:{port}", dashboard, path), swarm


def _policy(config: ServerConfig) -> Policy:
    return Policy(
        HeartbeatPolicy(
            heartbeat_s=config.heartbeat_interval,
            suspect_after_s=config.suspect_after,
            lost_after_s=config.lost_after,
            look_every_s=min(LOOK_EVERY_S, config.suspect_after / 2),
            stop_after_s=stop_after_s(lost_after_s=config.lost_after, suspect_after_s=config.suspect_after),
        ),
        Backoff(config.retry_backoff, config.retry_backoff_max),
        LogLimits(config.session_log_head, config.session_log_tail),
    )


def restore(config: ServerConfig, backup: Path) -> Restored:
    """Puts the backup in place of the database that no server has open."""
    path = config.db.absolute()
    if not backup.is_file():
        raise ProgramExit(ExitCode.USAGE, f"{backup}: there is no such file", hint="give --restore a backup")
    lock = _lock(path)
    try:
        return restoring.restore(path, backup)
    except DatabaseUnusable as error:
        raise ProgramExit(ExitCode.USAGE, f"{backup} can't be restored: {error}") from error
    finally:
        lock.release()


def _lock(path: Path) -> Lock:
    try:
        durable_files.make_folder(path.parent)
        return Lock(path.with_name(f"{path.name}.lock"))
    except DatabaseHeld as error:
        raise ProgramExit(
            ExitCode.NOT_FOUND, f"{path}: {error}", hint="use that one, or give another --db"
        ) from error
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{path}: {error.strerror}", hint="check the folder, or give another --db"
        ) from error


def _open(path: Path, clock: SystemClock) -> Database:
    try:
        restoring.finish(path)
        return Database(path, wall_us=clock.wall_us)
    except DatabaseUnusable as error:
        raise ProgramExit(ExitCode.NEGATIVE, f"{path}: {error}") from error


async def _boot(swarm: Swarm, config: ServerConfig, path: Path) -> None:
    """What must be on the disk before anybody is served."""
    try:
        await swarm.boot()
        await _token(swarm, config.token_file or path.parent / "token")
        await _look(swarm, path.parent)
    except (StorageFull, StorageFailed) as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{path}: {error.message}", hint="check the disk, then start again"
        ) from error
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{error.filename or path}: {error.strerror}", hint="check the disk"
        ) from error


async def _token(swarm: Swarm, path: Path) -> None:
    """Sees to it that the token file holds an operator's token that this database knows."""
    if await asyncio.to_thread(path.exists):
        token = read_token(path)
        if not await swarm.db.write(partial(swarm.access.adopt, token=token, name=path.name)):
            raise ProgramExit(
                ExitCode.USAGE,
                f"{path} holds no token of a swarm",
                hint="remove it or give another --token-file",
            )
        return
    token, _ = await swarm.db.write(partial(swarm.access.create, role=Role.OPERATOR, name=path.name))
    durable_files.make_folder(path.parent)
    failpoint.hit("token.before")
    durable_files.write(path, token + "\n")
    failpoint.hit("token.after")


async def _start(server: RpcServer, listen: str, tls: Tls | None) -> int:
    try:
        return await server.start(listen, tls)
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"can't listen on {listen}: the address is in use or not this machine's",
            hint="give another --listen; port 0 takes a free one",
        ) from error


async def _start_web(
    swarm: Swarm, looks: Reads, metrics: Metrics, config: ServerConfig, stack: contextlib.AsyncExitStack
) -> str:
    """Serves the dashboard; returns where."""
    # Late: swarmd without a dashboard needs none of it.
    from swarmd.web.server import ListenAddress, WebServer  # noqa: PLC0415

    # Who asks from this host needs no TLS; it would only get warnings about the certificate's name.
    near = is_loopback(host_of(config.dashboard))
    cert, key = (None, None) if near else (config.tls_cert, config.tls_key)
    place = ListenAddress(
        config.dashboard, cert, key, config.dashboard_name, metrics_open=config.metrics_open
    )
    web = WebServer(swarm, looks, metrics, place)
    try:
        url = await web.start()
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"can't serve the dashboard on {config.dashboard}: {_told(error)}",
            hint="give another --dashboard, such as 127.0.0.1:0 for a free port, or `--dashboard off`",
        ) from error
    stack.push_async_callback(web.stop)
    return url


def _told(error: OSError) -> str:
    """What is wrong, without what Python adds to it."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else str(error.strerror or error)


async def _keep_looking(swarm: Swarm, folder: Path) -> None:
    while True:
        await asyncio.sleep(swarm.policy.pace.look_every_s)
        try:
            await _look(swarm, folder)
        except StorageFailed:
            # The server is about to end for it, and says so.
            return
        except StorageFull as error:
            _log.warning("a round of the reaper has to wait", why=error.message)
        except Exception:  # noqa: BLE001  # one bad round must not end all later ones
            _log.exception("a round of the reaper failed")


async def _look(swarm: Swarm, folder: Path) -> None:
    """One round: who is silent, and whether somebody has laid down the stop file."""
    await swarm.look()
    if (folder / STOP_FILE).exists():
        stop = partial(swarm.kills.emergency_stop, cause=f"the file {STOP_FILE} is there")
        if (await swarm.db.write(stop, urgent=True)).killing:
            _log.warning("emergency stop by file", folder=str(folder))


async def _first(*waits: object) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
