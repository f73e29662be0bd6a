"""The reads of people, with their results as messages, shared by gRPC and HTTP."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal

from amplifier_swarm.channel import MAX_MESSAGE_BYTES
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import swarm_pb2, task_pb2
from swarmd.domain.errors import ChangeNotFound
from swarmd.domain.model import TaskKey
from swarmd.engine.reports import explain, overview
from swarmd.engine.swarm import Swarm
from swarmd.engine.tasks import lookup
from swarmd.store import holds as store_holds
from swarmd.store import landings, shared_budgets
from swarmd.store.reads import inbox
from swarmd.store.reads import views as store_views
from swarmd.store.transaction import ReadTx
from swarmd.wire import artifacts, budgets, changes, definitions, holds, views

# Less than a client takes as one message, by what attempts without their reports need.
MAX_DETAIL_BYTES: Final = MAX_MESSAGE_BYTES - 2 * 1024 * 1024
# The latest holds of a task that its details show.
MAX_HOLDS: Final = 100
REPORT_FIELDS: Final[Sequence[Literal["builder_result", "checks", "verdict", "late_results"]]] = (
    "builder_result", "checks", "verdict", "late_results",
)  # fmt: skip


class Reads:
    """The reads of one swarm."""

    def __init__(self, swarm: Swarm, *, started_us: int) -> None:
        self._swarm = swarm
        self.started_us = started_us

    async def task(self, task_id: str) -> pb.GetTaskResponse:
        """Returns a task with its definition and attempts."""
        return await self._swarm.db.read(lambda tx: detail(tx, lookup.resolve(tx, task_id).key))

    async def diff(self, task_id: str, *, attempt: int) -> pb.DiffTaskResponse:
        """Returns the change of one attempt with its patch, of the latest that has one if `attempt` is 0.

        Raises:
            ChangeNotFound: no such attempt has reported a change.
        """

        def read(tx: ReadTx) -> landings.StoredChange:
            task = lookup.resolve(tx, task_id)
            found = landings.change_of(tx, task.key, number=attempt)
            if found is None:
                raise ChangeNotFound(task.task_id, attempt)
            return found

        found = await self._swarm.db.read(read)
        return pb.DiffTaskResponse(
            attempt=found.number,
            change=await asyncio.to_thread(changes.write_change, found.summary, found.patch),
        )

    async def artifacts(self, task_id: str, *, attempt: int) -> pb.ListArtifactsResponse:
        """Returns the artifacts of one attempt, of all attempts if `attempt` is 0."""
        found = await self._swarm.artifacts.of_task(task_id, number=attempt)
        return pb.ListArtifactsResponse(
            artifacts=[artifacts.write(state.record, lost=state.lost) for state in found]
        )

    async def tasks(self, task_ids: Sequence[str]) -> list[task_pb2.Task]:
        """Returns the tasks with these ids, in the given order."""
        return await self._swarm.db.read(lambda tx: tasks_by_id(tx, task_ids))

    async def task_of(self, key: TaskKey) -> task_pb2.Task:
        """Returns the task with that key."""
        return (await self._swarm.db.read(lambda tx: tasks(tx, [key])))[0]

    async def explain(self, task_id: str) -> pb.ExplainTaskResponse:
        """Returns the reasons for a task's status."""
        live, backoffs = self._swarm.live, self._swarm.retry_timers

        def read(tx: ReadTx) -> tuple[explain.TaskFacts, task_pb2.Task]:
            task = lookup.resolve(tx, task_id)
            facts = explain.read_facts(tx, task, live, exclusive_files=self._swarm.policy.exclusive_files)
            return facts, views.task(store_views.task(tx, task.key))

        facts, task = await self._swarm.db.read(read)
        signs = live.signs_of(facts.task.key, facts.task.attempt)
        return pb.ExplainTaskResponse(
            task=task,
            reasons=views.reasons(explain.reasons(facts, live, backoffs)),
            signs=None if signs is None else views.signs(signs),
        )

    async def inbox(self) -> pb.ListInboxResponse:
        """Returns what waits for a person, the most urgent first."""
        found = await self._swarm.db.read(inbox.read)
        entries = [
            pb.InboxEntry(task=views.task(each.task), waiting=each.waiting, waiting_hours=each.waiting_hours)
            for each in found.entries
        ]
        reached = [budgets.budget(budget) for budget in found.budgets]
        return pb.ListInboxResponse(entries=entries, held=found.held, budgets=reached)

    async def budgets(self) -> pb.ListBudgetsResponse:
        """Returns the budgets that tasks share, with what is spent and reserved."""
        return budgets.listed(await self._swarm.db.read(shared_budgets.spending))

    async def swarm(self) -> swarm_pb2.Swarm:
        """Returns the status of the swarm."""
        return await self._swarm.db.read(self.swarm_in)

    async def workers(self) -> list[swarm_pb2.Worker]:
        """Returns all workers that ever joined, by name."""
        return await self._swarm.db.read(self.workers_in)

    def swarm_in(self, tx: ReadTx) -> swarm_pb2.Swarm:
        """Returns the status of the swarm as the transaction sees it."""
        quiet_us = int(self._swarm.policy.quiet_after_s * 1_000_000)
        view = overview.swarm_view(
            tx,
            self._swarm.live,
            started_us=self.started_us,
            quiet_since_us=self._swarm.clock.wall_us() - quiet_us,
        )
        return views.swarm(view)

    def workers_in(self, tx: ReadTx) -> list[swarm_pb2.Worker]:
        """Returns all workers as the transaction sees them."""
        swarm = self._swarm
        found = overview.worker_views(tx, swarm.live, swarm.clock, swarm.policy.pace)
        return [views.worker(view) for view in found]


def tasks_by_id(tx: ReadTx, task_ids: Sequence[str]) -> list[task_pb2.Task]:
    """Returns the tasks with these ids, in the given order."""
    return tasks(tx, [lookup.resolve(tx, task_id).key for task_id in task_ids])


def tasks(tx: ReadTx, keys: Sequence[TaskKey]) -> list[task_pb2.Task]:
    """Returns the tasks with these keys, in the given order."""
    return [views.task(view) for view in store_views.tasks(tx, keys)]


def detail(tx: ReadTx, key: TaskKey) -> pb.GetTaskResponse:
    """Returns a task with its definition and attempts; old attempts lose their reports if there is no room."""
    response = pb.GetTaskResponse(
        task=views.task(store_views.task(tx, key)),
        definition=definitions.write(store_views.definition(tx, key)),
        holds=[holds.hold(found) for found in store_holds.of_task(tx, key, limit=MAX_HOLDS)],
        notes=holds.notes(store_holds.notes(tx, key)),
    )
    room = MAX_DETAIL_BYTES - response.ByteSize()
    attempts = [views.attempt(view) for view in store_views.attempts(tx, key)]
    for attempt in reversed(attempts):
        room -= attempt.ByteSize()
        if room < 0:
            for field in REPORT_FIELDS:
                attempt.ClearField(field)
    response.attempts.extend(attempts)
    return response
