"""People at work: plans, kills, retries, pauses, stops and drains, at random. What was acknowledged is noted."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import task_pb2
from sim.server import SimServer
from sim.world import Violated, World
from swarmd.domain.errors import SwarmError
from swarmd.domain.lifecycle import TaskStatus
from swarmd.domain.model import OutcomeKind
from swarmd.store import events, tasks, views
from swarmd.store.transaction import ReadTx

POLICIES = (
    task_pb2.DEPENDENCY_FAILURE_POLICY_SKIP,
    task_pb2.DEPENDENCY_FAILURE_POLICY_RUN,
    task_pb2.DEPENDENCY_FAILURE_POLICY_BLOCK,
)


@dataclass(slots=True)
class Acknowledged:
    """What operators were told; the event number is the last one at that moment."""

    # Tasks that an operator has killed and not brought back.
    killed: dict[str, int] = field(default_factory=dict)
    requeued: int = 0
    done: dict[str, int] = field(default_factory=dict)


class Operators:
    """Call the server's verbs directly: an operator's own network is not what is tested here."""

    def __init__(self, world: World, server: SimServer, workers: list[str], *, tasks: int) -> None:
        self.told = Acknowledged()
        self.names: list[str] = []
        self._world = world
        self._server = server
        self._workers = workers
        self._dice = world.dice("operators")
        self._most = tasks
        self._planned = 0
        self._retrying = Counter[str]()

    def act(self) -> None:
        """One verb, drawn by chance."""
        verbs: tuple[tuple[Callable[[], None], int], ...] = (
            (self.add, 8), (self.kill, 4), (self.retry, 4), (self.pause, 1), (self.stop, 1),
            (self.resume, 5), (self.drain, 2), (self.accept, 2),
        )  # fmt: skip
        verb = self._dice.choices([verb for verb, _ in verbs], [weight for _, weight in verbs])[0]
        verb()

    def add(self) -> None:
        """A small plan that depends on itself and on what is there."""
        plan: list[str] = []
        request = pb.AddTasksRequest()
        for _ in range(min(self._dice.randint(1, 6), self._most - self._planned)):
            name = f"t{self._planned}"
            self._planned += 1
            known = [*self.names, *plan]
            definition = task_pb2.TaskDefinition(
                task_id=name,
                dependencies=self._dice.sample(known, k=min(len(known), self._dice.choice((0, 0, 1, 2)))),
                max_retries=self._dice.choice((0, 1, 2)),
                priority=self._dice.choice((0, 2, 5)),
                on_dependency_failure=self._dice.choice(POLICIES),
                validate=self._dice.random() < 0.5,
            )
            request.tasks.add(definition=definition)
            plan.append(name)
        if plan:
            self._send(request, plan, tries=0)

    def _send(self, request: pb.AddTasksRequest, plan: list[str], *, tries: int) -> None:
        """Sends a plan, and sends it again as long as nobody says that it has arrived."""

        async def whole(server: SimServer) -> None:
            async def messages() -> AsyncIterator[pb.AddTasksRequest]:
                yield request

            await server.operators.AddTasks(messages(), None)  # type: ignore[arg-type]

        def again() -> None:
            if plan[0] not in self.names:
                self._send(request, plan, tries=tries + 1)

        def added(_: Any) -> None:
            if plan[0] not in self.names:
                self.names += plan

        self._call(f"add {plan[0]} and {len(plan) - 1} more", whole, added)
        self._world.at(20.0 + tries, again)

    def kill(self) -> None:
        """Kills one task or two."""
        names = self._some(2)
        request = pb.KillTaskRequest(task_ids=names, cause="by chance")

        def killed(response: pb.KillTaskResponse) -> None:
            seq = self._seq()
            # A kill overtakes what waits: a retry that has no answer yet may come after it.
            sure = [task.task_id for task in response.tasks if not self._retrying[task.task_id]]
            self.told.killed.update(dict.fromkeys(sure, seq))

        self._call(f"kill {names}", lambda server: server.operators.KillTask(request, None), killed)

    def retry(self) -> None:
        """Brings tasks back."""
        names = self._some(2)
        request = pb.RetryTaskRequest(task_ids=names, failed=self._dice.random() < 0.3)
        # Whatever comes of it, these may run again from now on.
        for name in names:
            self.told.killed.pop(name, None)

        async def whole(server: SimServer) -> None:
            self._retrying.update(names)
            try:
                await server.operators.RetryTask(request, None)  # type: ignore[arg-type]
            finally:
                self._retrying.subtract(names)

        self._call(f"retry {names}", whole, _nothing)

    def accept(self) -> None:
        """Lets an archived result count, if there is one."""
        if not self._server.serving or not (late := self._server.db.look(_late_results)):
            return
        task_id, number = self._dice.choice(late)
        request = pb.AcceptResultRequest(task_id=task_id, attempt=number)

        def accepted(_: Any) -> None:
            self.told.killed.pop(task_id, None)

        self._call(
            f"accept {task_id} {number}",
            lambda server: server.operators.AcceptResult(request, None),
            accepted,
        )

    def pause(self) -> None:
        """No more claims for now."""
        self._call(
            "pause", lambda server: server.operators.PauseSwarm(pb.PauseSwarmRequest(), None), _nothing
        )

    def stop(self) -> None:
        """Everything, now."""
        request = pb.EmergencyStopRequest(cause="by chance")
        self._call("stop", lambda server: server.operators.EmergencyStop(request, None), _nothing)

    def resume(self, *, requeue: bool | None = None) -> None:
        """Goes on, with or without what a stop has ended."""
        again = self._dice.random() < 0.5 if requeue is None else requeue
        request = pb.ResumeSwarmRequest(requeue=again)

        def resumed(response: pb.ResumeSwarmResponse) -> None:
            back = sorted(set(response.requeued) & self.told.killed.keys())
            if back:
                raise Violated(f"a requeue has brought back {back[0]}, which an operator had killed")

        self._call(f"resume {again}", lambda server: server.operators.ResumeSwarm(request, None), resumed)

    def drain(self) -> None:
        """Sends one worker home, with or without a deadline."""
        request = pb.DrainWorkerRequest(worker=self._dice.choice(self._workers))
        if self._dice.random() < 0.5:
            request.deadline.CopyFrom(Duration(seconds=self._dice.randint(1, 60)))
        self._call(
            f"drain {request.worker}", lambda server: server.operators.DrainWorker(request, None), _nothing
        )

    def end_what_runs_on(self) -> None:
        """Kills what has been running for longer than anybody will wait for."""
        rows = self._server.db.look(_running)
        if rows:
            request = pb.KillTaskRequest(task_ids=rows, cause="it takes too long")
            self._call(f"end {rows}", lambda server: server.operators.KillTask(request, None), _nothing)

    def _some(self, most: int) -> list[str]:
        return self._dice.sample(self.names, k=min(len(self.names), self._dice.randint(1, most)))

    def _seq(self) -> int:
        return self._server.db.look(events.last_seq)

    def _call(self, what: str, method: Any, heard: Callable[[Any], None]) -> None:
        if not self._server.serving:
            return
        self._world.log(f"operator: {what}")
        self._server.call(method, partial(self._answered, what, heard))

    def _answered(self, what: str, heard: Callable[[Any], None], result: Any) -> None:
        if isinstance(result, SwarmError):
            self._world.log(f"operator: {what} refused: {result.reason}")
            return
        self._world.log(f"operator: {what} done")
        word = what.partition(" ")[0]
        self.told.done[word] = self.told.done.get(word, 0) + 1
        heard(result)


def _nothing(_: Any) -> None:
    """The answer says nothing that anybody relies on."""


def _late_results(tx: ReadTx) -> list[tuple[str, int]]:
    return [
        (task_id, attempt.number)
        for task_id, (key, _) in sorted(tasks.keys(tx).items())
        for attempt in views.attempts(tx, key)
        if any(late.kind is OutcomeKind.COMPLETED for late in attempt.late_results)
    ]


def _running(tx: ReadTx) -> list[str]:
    return [found.task_id for found in tasks.with_status(tx, TaskStatus.IN_PROGRESS)]
