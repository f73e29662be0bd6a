"""The object graph of the server: built from the settings, started, and closed in reverse order."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from amplifier_swarm.background import in_background
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.file_changes import FileChanges
from amplifier_swarm.settings import path as path_of
from amplifier_swarm.standard_streams import print_line
from amplifier_swarm.state_paths import STOP_FILE, ProjectState, shield_database
from swarmd.artifact_upkeep import artifact_limits, run_upkeep
from swarmd.config import ServerConfig
from swarmd.dashboard import serve_dashboard
from swarmd.domain.budget import Caps, read_dollars
from swarmd.domain.errors import InvalidRequest, StorageFailed, StorageFull
from swarmd.domain.follow_ups import FollowUpLimits
from swarmd.domain.policy import Backoff, stop_after_s
from swarmd.domain.shared_budget import BudgetKind, PlannedBudget, check_budget
from swarmd.engine.ports import SystemClock, SystemEntropy
from swarmd.engine.swarm import EnginePolicy, Swarm
from swarmd.engine.workers.registry import HeartbeatPolicy
from swarmd.listen import OFF, LoopErrors, ServerTls, dialled_address, make_tls, read_tls
from swarmd.maintenance import database_path, lock_database, refuse_foreign
from swarmd.metrics.meters import Meters
from swarmd.notify.sender import run_sender
from swarmd.notify.service import run_notifiers
from swarmd.notify.targets import read_targets
from swarmd.rotation import ensure_token, import_token, look_periodically
from swarmd.rpc.server import RpcServer
from swarmd.store.database import Database
from swarmd.store.file import restore as restoring
from swarmd.store.file.errors import DatabaseUnusable
from swarmd.store.file.open_files import DatabaseRemoved
from swarmd.store.sessions import LogLimits
from swarmd.tracing.exporter import run_trace_exporter
from swarmd.wire.reads import Reads

if TYPE_CHECKING:
    from swarmd.tls.authority import OwnAuthority

# The time that calls in flight get; streams have ended by then.
STOP_GRACE_S: Final = 2.0
CHECK_INTERVAL_S: Final = 1.0

_log = structlog.get_logger("swarmd")


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """The addresses of a running server."""

    address: str
    # The URL of the dashboard, or `off`.
    dashboard: str
    db: Path
    # The CA that the server has made, with --tls-auto.
    authority: "OwnAuthority | None" = None


async def run(config: ServerConfig, project: ProjectState | None = None) -> None:
    """Serves until SIGTERM or SIGINT; announces the address to clients of the project, if there is one.

    Raises:
        ProgramExit: the server can't start, or can't go on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(LoopErrors())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        serving, swarm = await stack.enter_async_context(serve(config))
        if project is not None:
            ca = None if serving.authority is None else serving.authority.ca_file
            stack.enter_context(project.announced(dialled_address(serving.address), ca=ca))
        line = f"grpc={serving.address} dashboard={serving.dashboard} db={serving.db} pid={os.getpid()}"
        if serving.authority is not None:
            line += f" ca={serving.authority.fingerprint}"
        print_line(f"swarmd ready {line}")  # scripts wait for it
        await _wait_first(stop.wait(), swarm.db.failed.wait())
        if swarm.db.failed.is_set():
            raise _storage_exit(serving.db, swarm.db.failure)
        _log.info("stopping")


def _storage_exit(db: Path, failure: Exception | None) -> ProgramExit:
    if isinstance(failure, DatabaseRemoved):
        _log.error("a file of the database was removed or replaced", db=str(db), why=str(failure))
        return ProgramExit(
            ExitCode.NEGATIVE,
            f"the database {db} was removed or replaced under the running server ({failure}); nothing later is stored",
            hint="put its folder back or restore a backup, keep it out of reach of `git clean`, then start again",
        )
    return ProgramExit(ExitCode.NEGATIVE, f"writing {db} failed", hint="check the disk, then start again")


@contextlib.asynccontextmanager
async def serve(config: ServerConfig) -> AsyncIterator[tuple[ServerAddresses, Swarm]]:
    """Runs a server for the duration of the block.

    Raises:
        ProgramExit: the server can't start.
    """
    tls = read_tls(config)
    targets = read_targets(config.notify)
    path = database_path(config.db)
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        sender = await stack.enter_async_context(run_sender(targets))
        lock = lock_database(path)
        stack.callback(lock.release)
        if config.tls_auto:
            tls = make_tls(config, path.parent, wall_us=clock.wall_us())
        _shield(path)
        db = _open(path, clock, ack_replicated=config.ack == "replicated")
        stack.push_async_callback(db.close)
        entropy = SystemEntropy()
        meters = None if config.dashboard == OFF else Meters()
        swarm = Swarm(db, clock=clock, entropy=entropy, policy=_policy(config), observer=meters)
        stack.push_async_callback(swarm.close)
        token = await _boot(swarm, config, path)
        await stack.enter_async_context(run_upkeep(swarm.artifacts))
        await stack.enter_async_context(run_notifiers(swarm, targets, sender, entropy))
        await stack.enter_async_context(run_trace_exporter(swarm))
        reads = Reads(swarm, started_us=clock.wall_us())
        server = RpcServer(swarm, reads, scaler_open=config.scaler_open)
        address = await _start(server, config.listen, tls)
        stack.push_async_callback(server.stop, STOP_GRACE_S)
        dashboard = await serve_dashboard(swarm, reads, meters, config, stack, tls=tls)
        rotation = look_periodically(swarm, token, tls, dashboard.reload_tls)
        await stack.enter_async_context(in_background(rotation))
        await stack.enter_async_context(in_background(_check_periodically(swarm, path.parent)))
        # Streams must end before the server waits for them.
        stack.push_async_callback(swarm.close)
        yield ServerAddresses(address, dashboard.url, path, tls and tls.authority), swarm


def _policy(config: ServerConfig) -> EnginePolicy:
    return EnginePolicy(
        HeartbeatPolicy(
            heartbeat_s=config.heartbeat_interval,
            suspect_after_s=config.suspect_after,
            lost_after_s=config.lost_after,
            look_every_s=min(CHECK_INTERVAL_S, config.suspect_after / 2),
            stop_after_s=stop_after_s(lost_after_s=config.lost_after, suspect_after_s=config.suspect_after),
        ),
        Backoff(config.retry_backoff, config.retry_backoff_max, config.runner_cooldown),
        LogLimits(config.session_log_head, config.session_log_tail),
        exclusive_files=config.exclusive_files,
        quiet_after_s=config.quiet_after,
        artifacts=artifact_limits(config),
        budgets=_budgets(config),
        follow_ups=FollowUpLimits(config.follow_ups, config.follow_up_depth),
    )


def _budgets(config: ServerConfig) -> list[PlannedBudget]:
    """Returns the budgets of the settings; raises ProgramExit for one that nobody can mean."""
    day = [_budget("--day-budget", BudgetKind.DAY, "", config.day_budget)] if config.day_budget else []
    accounts = []
    for given in config.account_budget:
        name, equals, dollars = given.rpartition("=")
        if not equals:
            hint = "give NAME=DOLLARS, such as amplifier-agent=200"
            raise ProgramExit(ExitCode.USAGE, f"--account-budget {given!r} has no amount", hint=hint)
        accounts.append(_budget("--account-budget", BudgetKind.ACCOUNT, name, dollars))
    return [*day, *accounts]


def _budget(flag: str, kind: BudgetKind, name: str, text: str) -> PlannedBudget:
    try:
        budget = PlannedBudget(kind, name, Caps(read_dollars(text.strip(), "max_cost")))
        check_budget(budget, "budget")
    except InvalidRequest as error:
        raise ProgramExit(ExitCode.USAGE, f"{flag} {text!r}: {error.problem}") from None
    return budget


def _shield(db: Path) -> None:
    if warning := shield_database(db):
        _log.warning(warning, db=str(db), hint="pass a --db in a folder of its own")


def _open(path: Path, clock: SystemClock, *, ack_replicated: bool) -> Database:
    refuse_foreign(path)
    try:
        restoring.finish(path)
        is_new = not path.exists()
        db = Database(path, wall_us=clock.wall_us, ack_replicated=ack_replicated)
    except DatabaseUnusable as error:
        raise ProgramExit(ExitCode.NEGATIVE, f"{path}: {error}") from error
    if is_new:
        # After a loss of the state folder this line shows that the swarm begins from nothing.
        _log.info("created the database", db=str(path))
    return db


async def _boot(swarm: Swarm, config: ServerConfig, path: Path) -> FileChanges:
    """Writes everything that must be on disk before the first call is served; returns the changes of the token file."""
    try:
        await swarm.boot()
        token = await ensure_token(swarm, config.token_file or path.parent / "token")
        for file in config.accept_token:
            await import_token(swarm, path_of(file), flag="--accept-token")
        await _check_once(swarm, path.parent)
    except (StorageFull, StorageFailed) as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{path}: {error.message}", hint="check the disk, then start again"
        ) from error
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE, f"{error.filename or path}: {error.strerror}", hint="check the disk"
        ) from error
    return token


async def _start(server: RpcServer, listen: str, tls: ServerTls | None) -> str:
    """Serves gRPC; returns the address with its port."""
    try:
        port = await server.start(listen, None if tls is None else tls.files)
        return f"{listen.rpartition(':')[0]}:{port}"
    except OSError as error:
        raise ProgramExit(
            ExitCode.NEGATIVE,
            f"can't listen on {listen}: the address is in use or not this machine's",
            hint="give another --listen; port 0 takes a free one",
        ) from error


async def _check_periodically(swarm: Swarm, folder: Path) -> None:
    while True:
        await asyncio.sleep(swarm.policy.pace.look_every_s)
        try:
            await _check_once(swarm, folder)
        except StorageFailed:
            # The server ends for this error, and reports it.
            return
        except StorageFull as error:
            _log.warning("lease check postponed", why=error.message)
        except Exception:  # noqa: BLE001  # one failed round must not end the later ones
            _log.exception("lease check failed")


async def _check_once(swarm: Swarm, folder: Path) -> None:
    """Runs one round: the files of the database, silent workers, the stop file."""
    swarm.db.check_files()
    await swarm.check_leases()
    swarm.tokens.end_expired()
    if (folder / STOP_FILE).exists():
        stop = partial(swarm.control.emergency_stop, cause=f"the file {STOP_FILE} exists")
        if (await swarm.db.write(stop, urgent=True)).killing:
            _log.warning("emergency stop by file", folder=str(folder))


async def _wait_first(*waits: object) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
