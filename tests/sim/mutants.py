"""The engine with one rule taken out of it: what the simulation must notice, or it is worth nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

import pytest

from sim.attempt import Attempt
from sim.machine import Machine
from sim.simulation import Setting
from swarmd.domain.leasing import parse_lease_id
from swarmd.domain.model import SwarmMode
from swarmd.engine import dispatch, kills, leases
from swarmd.engine.kills import Kills
from swarmd.engine.live import Live
from swarmd.engine.reaper import Reaper
from swarmd.engine.swarm import Swarm
from swarmd.store import attempts, events, swarm, tasks

Patch = Callable[[pytest.MonkeyPatch], None]


def any_lease_counts(patch: pytest.MonkeyPatch) -> None:
    """Results and starts count for whatever attempt of the task is open."""

    def find(tx: Any, worker: str, lease_id: str) -> Any:
        ref = parse_lease_id(lease_id)
        assert ref is not None
        return attempts.find(tx, ref.task_key, tasks.get(tx, ref.task_key).attempt)

    patch.setattr(leases, "find", find)


def claims_while_stopped(patch: pytest.MonkeyPatch) -> None:
    """The dispatcher does not ask for the mode."""

    def get(tx: Any) -> Any:
        return replace(swarm.get(tx), mode=SwarmMode.RUNNING)

    known = {name: getattr(swarm, name) for name in dir(swarm) if not name.startswith("_")}
    patch.setattr(dispatch, "swarm", SimpleNamespace(**{**known, "get": get}))


def orders_die_with_the_server(patch: pytest.MonkeyPatch) -> None:
    """After a restart nobody is told to end what was being killed."""
    boot = Swarm.boot

    async def forgetful(self: Swarm) -> None:
        await boot(self)
        for found in self.live.leases():
            found.order = None

    patch.setattr(Swarm, "boot", forgetful)


def requeue_takes_all(patch: pytest.MonkeyPatch) -> None:
    """What an operator has killed while a stop was ending it comes back with the stop's other tasks."""
    patch.setattr(kills, "replace", lambda task, **_: task)


def lost_too_early(patch: pytest.MonkeyPatch) -> None:
    """A silent worker's leases are given away before it must have stopped by itself."""
    judge = Reaper._judge

    async def hasty(self: Reaper, write: Any, name: Any, silent: Any, now_s: float) -> None:
        await judge(self, write, name, silent, now_s + 0.8 * self._pace.lost_after_s)

    patch.setattr(Reaper, "_judge", hasty)


def orders_on_the_stream_only(patch: pytest.MonkeyPatch) -> None:
    """Heartbeats are answered without orders."""
    present = Live.present

    def silent(self: Live, worker: Any, lease_ids: Any) -> list[Any]:
        present(self, worker, lease_ids)
        return []

    patch.setattr(Live, "present", silent)


def stop_spares_claims(patch: pytest.MonkeyPatch) -> None:
    """An emergency stop forgets what is claimed and not started."""

    def stop(self: Kills, tx: Any, cause: str) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(
                tasks, "with_status", lambda tx, status: () if status == "claimed" else original(tx, status)
            )
            return emergency_stop(self, tx, cause)

    original, emergency_stop = tasks.with_status, Kills.emergency_stop
    patch.setattr(Kills, "emergency_stop", stop)


def silent_changes(patch: pytest.MonkeyPatch) -> None:
    """Some changes are made without their event."""
    append = events.append

    def forgetful(tx: Any, kind: Any, **details: Any) -> None:
        if kind != "task_retrying":
            append(tx, kind, **details)

    patch.setattr(events, "append", forgetful)


def losses_count_as_failures(patch: pytest.MonkeyPatch) -> None:
    """A worker's death uses up the task's retries."""
    from swarmd.domain import policy  # noqa: PLC0415
    from swarmd.domain.model import FailureClass  # noqa: PLC0415
    from swarmd.engine import outcomes  # noqa: PLC0415

    def judge(task: Any, failure: Any, **rest: Any) -> Any:
        return policy.judge(task, FailureClass.AGENT_ERROR if failure == "worker_lost" else failure, **rest)

    patch.setattr(outcomes, "judge", judge)


def worker_without_fence(patch: pytest.MonkeyPatch) -> None:
    """A worker of the simulation that never stops by itself."""
    spawn = Machine.spawn

    def unfenced(self: Machine, task_id: str, session_id: str, *, lasts_s: float, fence_s: float) -> Any:
        guard = spawn(self, task_id, session_id, lasts_s=lasts_s, fence_s=1e9)
        guard.fence = lambda seconds: None  # type: ignore[method-assign]
        return guard

    patch.setattr(Machine, "spawn", unfenced)


def worker_without_go(patch: pytest.MonkeyPatch) -> None:
    """A worker of the simulation that starts sessions without waiting for the answer."""

    def ask(self: Attempt) -> None:
        if not self._over:
            self._run()

    patch.setattr(Attempt, "_ask", ask)


MUTANTS: Final[Mapping[str, Patch]] = {
    patch.__name__: patch
    for patch in (
        any_lease_counts,
        claims_while_stopped,
        orders_die_with_the_server,
        requeue_takes_all,
        lost_too_early,
        orders_on_the_stream_only,
        stop_spares_claims,
        silent_changes,
        losses_count_as_failures,
        worker_without_fence,
        worker_without_go,
    )
}
HARSH: Final = Setting(chaos_s=1_500.0, fault_every_s=20.0)
TRIES: Final = 30
