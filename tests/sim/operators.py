"""Operators: plans, kills, retries, pauses, stops and drains at random, with a record of what was acknowledged."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1 import hold_pb2, task_pb2
from amplifier_swarm.v1 import operator_service_pb2 as pb
from sim import approvals, reads
from sim.machine import Ledger
from sim.plans import ONCE
from sim.server import SimServer
from sim.world import Violated, World
from swarmd.domain.errors import SwarmError
from swarmd.domain.lifecycle import TaskStatus
from swarmd.store import events

FENCE, KEEP = task_pb2.DISCONNECT_POLICY_FENCE, task_pb2.DISCONNECT_POLICY_KEEP
START_POINT = hold_pb2.APPROVAL_POINT_BEFORE_START
LANDING_POINT = hold_pb2.APPROVAL_POINT_BEFORE_LANDING
AFTER_POINT = hold_pb2.APPROVAL_POINT_AFTER
# Statuses that a task with an archived result seldom has.
RARE = (TaskStatus.FAILED, TaskStatus.BLOCKED, TaskStatus.HELD)
# How many tasks may share a name; one if it is not here.
CAPACITY = {"gpu": 2}
# The share of tasks in clones whose work is kept and does not land.
KEPT = 0.3
FILES = ("src", "src/a", "src/b", "docs/x", "docs/y")
POLICIES = (
    task_pb2.DEPENDENCY_FAILURE_POLICY_SKIP,
    task_pb2.DEPENDENCY_FAILURE_POLICY_RUN,
    task_pb2.DEPENDENCY_FAILURE_POLICY_RUN,
    task_pb2.DEPENDENCY_FAILURE_POLICY_BLOCK,
)


@dataclass(slots=True)
class Acknowledged:
    """The acknowledgements that operators got, with the number of the last event at that moment."""

    # Tasks that an operator killed and did not bring back.
    killed: dict[str, int] = field(default_factory=dict)
    requeued: int = 0
    done: dict[str, int] = field(default_factory=dict)
    # The holds to which somebody sent an answer, or whose tasks somebody let start.
    settled: set[str] = field(default_factory=set)


class Operators:
    """Operators that call the server directly, since their own network is not under test."""

    def __init__(
        self,
        world: World,
        server: SimServer,
        ledger: Ledger,
        workers: list[str],
        *,
        tasks: int,
        exclusive: float,
        holding: bool,
        approving: float = 0.0,
        forgets: float = 0.0,
    ) -> None:
        """`exclusive` is the share of tasks with exclusive names or files; with `holding`, tasks are held too.

        `approving` is the share of tasks that wait for an approval, `forgets` that of acts that forget a worker.
        """
        # Returns the workers of which nothing runs any more.
        self.gone: Callable[[], list[str]] = list
        self._forgets = forgets
        self._forget_dice = world.dice("forgets")
        self.told = Acknowledged()
        self.names: list[str] = []
        self.cap = ""  # what all tasks may cost together
        self._world = world
        self._server = server
        self._ledger = ledger
        self._workers = workers
        self._dice = world.dice("operators")
        # A stream of its own, so that the other choices of a seed are what they would be without it.
        self._name_dice = world.dice("names")
        self._exclusive = exclusive
        self._kept_dice = world.dice("kept work")
        self._holding = holding
        self._approving = approving
        self._approval_dice = world.dice("approvals")
        ledger.capacity.update(CAPACITY)
        self._most = tasks
        self._planned = 0
        self._late: list[reads.Late] = []
        self._seen: set[reads.Late] = set()
        # The order of requests: a kill's answer may come after the task was brought back.
        self._sent = itertools.count(1)
        self._brought_back: dict[str, int] = {}
        # A kill overtakes waiting requests, so a retry without an answer may come after the kill.
        self._coming_back = Counter[str]()

    def act(self) -> None:
        """Calls an action that is drawn at random."""
        if self._forget_dice.random() < self._forgets:
            self.forget()
            return
        verbs: tuple[tuple[Callable[[], None], int], ...] = (
            (self.add, 8), (self.kill, 4), (self.retry, 4), (self.pause, 1), (self.stop, 1), (self.resume, 5),
            (self.drain, 2),
        )  # fmt: skip
        if self._holding:
            verbs = (*verbs, (self.hold, 2), (self.unhold, 1), (self.answer, 4))
        if self._approving:
            verbs = (
                *verbs,
                (self.approve, 4),
                (self.reject, 2),
                (self.reject_completed, 1),
                (self.rerun, 1),
                (self.judge, 3),
            )
        looks = self._server.serving and self._dice.random() < 0.4
        self._late = self._server.db.look(reads.late_results) if looks else []
        if self._late:
            verbs = (*verbs, (self.accept, 4), (self.reconsider, 8))
        if self._done():
            verbs = (*verbs, (self.kill_late, 20))
        verb = self._dice.choices([verb for verb, _ in verbs], [weight for _, weight in verbs])[0]
        verb()

    def add(self) -> None:
        """Makes a small plan that depends on itself and on existing tasks."""
        plan: list[str] = []
        request = pb.AddTasksRequest(concurrency=CAPACITY)
        request.budget.max_cost = self.cap
        if not self.cap:
            request.ClearField("budget")
        for _ in range(min(self._dice.randint(1, 6), self._most - self._planned)):
            name = f"{ONCE if self._dice.random() < 0.3 else 't'}{self._planned}"
            self._planned += 1
            known = [*self.names, *plan]
            definition = task_pb2.TaskDefinition(
                task_id=name,
                dependencies=self._dice.sample(known, k=min(len(known), self._dice.choice((0, 0, 1, 2)))),
                max_retries=self._dice.choice((0, 1, 2)),
                priority=self._dice.choice((0, 2, 5)),
                on_dependency_failure=self._dice.choice(POLICIES),
                validate=self._dice.random() < 0.5,
                checks=["check"] if self._dice.random() < 0.2 else [],
                on_disconnect=KEEP if self._dice.random() < 0.1 else FENCE,
            )
            if not self._ledger.files_shared and self._kept_dice.random() < KEPT:
                definition.land = False
            if self._approval_dice.random() < self._approving:
                self._ask_for_approval(definition)
            if definition.on_disconnect == FENCE and self._name_dice.random() < self._exclusive:
                self._share(definition)
            request.tasks.add(definition=definition)
            plan.append(name)
        if plan:
            self._send(request, plan, tries=0)

    def _ask_for_approval(self, definition: task_pb2.TaskDefinition) -> None:
        """Lets the task wait at a point that it can have."""
        lands = not self._ledger.files_shared and not definition.HasField("land")
        definition.approve = self._approval_dice.choice(
            (START_POINT, AFTER_POINT, LANDING_POINT if lands else AFTER_POINT)
        )

    def _share(self, definition: task_pb2.TaskDefinition) -> None:
        """Gives the task exclusive names, or files that may overlap those of others."""
        if self._name_dice.random() < 0.5:
            definition.exclusive.extend(
                self._name_dice.sample(("db", "gpu", "port"), self._name_dice.randint(1, 2))
            )
        else:
            definition.files.extend(self._name_dice.sample(FILES, self._name_dice.randint(1, 2)))
        files = definition.files if self._ledger.files_shared else ()
        self._ledger.needs[definition.task_id] = [*definition.exclusive, *(f"/{path}" for path in files)]

    def _send(self, request: pb.AddTasksRequest, plan: list[str], *, tries: int) -> None:
        """Sends a plan, and again until an answer comes."""

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
        self._kill(self._some(2))

    def kill_late(self) -> None:
        """Kills a task that is done while the server does not know it yet."""
        self._kill([self._dice.choice(self._done())])

    def _done(self) -> list[str]:
        rows = self._server.db.look(reads.running) if self._server.serving else []
        return [name for name in rows if name in self._ledger.done]

    def _kill(self, names: list[str]) -> None:
        request = pb.KillTaskRequest(task_ids=names, cause="by chance")

        sent, seq = next(self._sent), self._seq
        back = self._brought_back

        def killed(response: pb.KillTaskResponse) -> None:
            for task in response.tasks:
                name = task.task_id
                if back.get(name, 0) < sent and not self._coming_back[name]:
                    self.told.killed[name] = seq()

        self._call(f"kill {names}", lambda server: server.operators.KillTask(request, None), killed)

    def retry(self) -> None:
        """Brings tasks back."""
        self._retry(self._some(2), failed=self._dice.random() < 0.3)

    def _retry(self, names: list[str], *, failed: bool = False) -> None:
        request = pb.RetryTaskRequest(task_ids=names, failed=failed)
        self._bring_back(f"retry {names}", names, lambda server: server.operators.RetryTask(request, None))

    def _bring_back(self, what: str, names: list[str], verb: Any) -> None:
        """Calls an action that overrules a kill; the action may have happened whatever the answer is."""
        for name in names:
            self._brought_back[name] = next(self._sent)
            self.told.killed.pop(name, None)

        async def whole(server: SimServer) -> None:
            self._coming_back.update(names)
            try:
                await verb(server)
            finally:
                self._coming_back.subtract(names)

        self._call(what, whole, _nothing)

    def land(self) -> None:
        """Orders the landing of kept work."""
        kept = self._server.db.look(reads.landable) if self._server.serving else []
        if not kept:
            return
        names = self._kept_dice.sample(kept, k=min(len(kept), self._kept_dice.randint(1, 2)))
        request = pb.LandWorkRequest(task_ids=names)
        self._bring_back(f"land {names}", names, lambda server: server.operators.LandWork(request, None))

    def accept(self) -> None:
        """Lets an archived result count, if there is one."""
        rare = [found for found in self._late if found.status in RARE]
        found = self._dice.choice(rare or self._late)
        self._accept(found.task_id, found.number)

    def reconsider(self) -> None:
        """Brings a task back, which may turn out to be done."""
        behind = [found for found in self._late if found.dead]
        found = self._dice.choice(behind or self._late)
        task_id, number, names = found.task_id, found.number, [found.task_id, *found.dead]
        if self._dice.random() < (0.8 if task_id.startswith(ONCE) else 0.4):
            self._retry(names)
            return
        self.pause()
        self._world.at(0.1, partial(self._retry, names))
        self._world.at(1.0, partial(self._accept, task_id, number))
        self._world.at(2.0, self.resume)

    def _accept(self, task_id: str, number: int) -> None:
        request = pb.AcceptResultRequest(task_id=task_id, attempt=number)
        self._bring_back(
            f"accept {task_id} {number}",
            [task_id],
            lambda server: server.operators.AcceptResult(request, None),
        )

    def pause(self) -> None:
        """Pauses claims."""
        self._call(
            "pause", lambda server: server.operators.PauseSwarm(pb.PauseSwarmRequest(), None), _nothing
        )

    def stop(self) -> None:
        """Calls an emergency stop."""
        request = pb.EmergencyStopRequest(cause="by chance")
        self._call("stop", lambda server: server.operators.EmergencyStop(request, None), _nothing)

    def resume(self, *, requeue: bool | None = None) -> None:
        """Resumes, with or without the tasks that a stop has ended."""
        again = self._dice.random() < 0.5 if requeue is None else requeue
        request = pb.ResumeSwarmRequest(requeue=again)

        def resumed(response: pb.ResumeSwarmResponse) -> None:
            back = sorted(set(response.requeued) & self.told.killed.keys())
            if back:
                raise Violated(f"a requeue has brought back {back[0]}, which an operator had killed")

        self._call(f"resume {again}", lambda server: server.operators.ResumeSwarm(request, None), resumed)

    def drain(self) -> None:
        """Drains one worker, with or without a deadline."""
        request = pb.DrainWorkerRequest(worker=self._dice.choice(self._workers))
        if self._dice.random() < 0.5:
            request.deadline.CopyFrom(Duration(seconds=self._dice.randint(1, 60)))
        self._call(
            f"drain {request.worker}", lambda server: server.operators.DrainWorker(request, None), _nothing
        )

    def hold(self) -> None:
        """Holds a task that may not have started."""
        request = pb.HoldTaskRequest(task_ids=self._some(1), cause="by chance")
        self._call(
            f"hold {list(request.task_ids)}",
            lambda server: server.operators.HoldTask(request, None),
            _nothing,
        )

    def unhold(self) -> None:
        """Lets the held tasks start that wait for no answer."""
        held = [hold for hold in self._lasting() if hold.kind == "suspended"]
        self.told.settled.update(hold.hold_id for hold in held)
        request = pb.UnholdTaskRequest(task_ids=[hold.task_id for hold in held])
        self._call("unhold", lambda server: server.operators.UnholdTask(request, None), _nothing)

    def answer(self) -> None:
        """Answers every question, and sends each answer again when it may be too late."""
        for hold in self._lasting():
            if hold.kind == "question":
                self.told.settled.add(hold.hold_id)
                self._answer(hold)
                self._world.at(self._name_dice.uniform(10.0, 300.0), partial(self._answer, hold))

    def _answer(self, hold: approvals.Held) -> None:
        request = pb.AnswerTaskRequest(task_id=hold.task_id, hold_id=hold.hold_id, text="80")
        self._call(
            f"answer {hold.task_id} {hold.hold_id}",
            lambda server: server.operators.AnswerTask(request, None),
            _nothing,
        )

    def approve(self) -> None:
        """Approves what waits for it, and sends some approvals again when they may be too late."""
        for hold in self._lasting():
            if hold.kind == "approval" and self._approval_dice.random() < 0.7:
                self.told.settled.add(hold.hold_id)
                self._approve(hold)
                self._world.at(self._approval_dice.uniform(10.0, 300.0), partial(self._approve, hold))

    def _approve(self, hold: approvals.Held) -> None:
        approval = pb.TaskApproval(task_id=hold.task_id, hold_id=hold.hold_id)
        request = pb.ApproveTaskRequest(approvals=[approval])
        self._call(
            f"approve {hold.task_id} {hold.hold_id}",
            lambda server: server.operators.ApproveTask(request, None),
            _nothing,
        )

    def reject(self) -> None:
        """Rejects one thing that waits for an approval."""
        waits = [hold for hold in self._lasting() if hold.kind == "approval"]
        if not waits:
            return
        hold = self._approval_dice.choice(waits)
        self.told.settled.add(hold.hold_id)
        request = pb.RejectTaskRequest(task_id=hold.task_id, hold_id=hold.hold_id, text="by chance")
        self._call(
            f"reject {hold.task_id} {hold.hold_id}",
            lambda server: server.operators.RejectTask(request, None),
            _nothing,
        )

    def reject_completed(self) -> None:
        """Rejects the work of one completed task, with what has built on it or refused for it."""
        done = self._server.db.look(approvals.completed) if self._server.serving else []
        if not done:
            return
        name = self._approval_dice.choice(done)
        request = pb.RejectTaskRequest(
            task_id=name, text="by chance", with_dependents=self._approval_dice.random() < 0.8
        )
        self._call(
            f"reject completed {name}", lambda server: server.operators.RejectTask(request, None), _nothing
        )

    def rerun(self) -> None:
        """Runs one completed task again, with what has built on it or refused for it."""
        done = self._server.db.look(approvals.completed) if self._server.serving else []
        if not done:
            return
        name = self._approval_dice.choice(done)
        terms = pb.RetryTerms(completed=True, with_dependents=self._approval_dice.random() < 0.8)
        request = pb.RetryTaskRequest(task_ids=[name], terms=terms)
        self._call(f"rerun {name}", lambda server: server.operators.RetryTask(request, None), _nothing)

    def judge(self) -> None:
        """Asks for the checks, or for the validator too, of work that is there."""
        ended = self._server.db.look(reads.ended) if self._server.serving else []
        if not ended:
            return
        name = self._approval_dice.choice(ended)
        start = self._approval_dice.choice((task_pb2.START_POINT_VALIDATOR, task_pb2.START_POINT_CHECKS))
        request = pb.RetryTaskRequest(task_ids=[name], terms=pb.RetryTerms(completed=True, starts_at=start))
        self._bring_back(f"judge {name}", [name], lambda server: server.operators.RetryTask(request, None))

    def _lasting(self) -> list[approvals.Held]:
        return self._server.db.look(approvals.lasting_holds) if self._server.serving else []

    def forget(self) -> None:
        """Forgets a worker that is gone, or one that the server hears: that is refused."""
        known = self._server.swarm.live.workers if self._server.serving else {}
        heard = [name for name, worker in known.items() if worker.reachable]
        if names := sorted({*self.gone(), *heard}):
            request = pb.ForgetWorkerRequest(worker=self._forget_dice.choice(names))
            self._call(
                f"forget {request.worker}",
                lambda server: server.operators.ForgetWorker(request, None),
                _nothing,
            )

    def tidy(self) -> None:
        """Reviews archived results, each once for each status of its task."""
        # A provider's refusal pauses the only runner until an operator resumes it.
        self.resume(requeue=False)
        if self._holding:
            self.unhold()
            self.answer()
        if self._approving:
            self.approve()
        late = self._server.db.look(reads.late_results) if self._server.serving else []
        for found in [found for found in late if found not in self._seen]:
            self._seen.add(found)
            self._late = [found]
            if found.status in RARE or self._dice.random() < 0.2:
                self.accept()
            else:
                self.reconsider()

    def end_what_runs_on(self) -> None:
        """Kills what has been running for too long to wait for."""
        if self._server.serving and (rows := self._server.db.look(reads.running)):
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
    """Ignores an answer that nobody relies on."""
