"""Simulated processes, which can be frozen and killed.

A context variable gives each task and timer to the process whose code started it.
Invariant: nothing of a dead process runs again, except the cancellation that removes it from memory.
"""

import asyncio
import contextvars
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Self, cast

from sim.world import Call, World

PROCESS: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)
DISK_S = 0.05


class Process:
    """A process of a program."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.frozen = False
        self._thawing: deque[Call] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.dice = world.dice(f"process {name}")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs the program."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        asyncio.get_running_loop().create_task(work, context=context)

    def enter(self, call: Call) -> None:
        """Runs a call inside the process: never if the process is dead, later if it is frozen."""
        if self.frozen:
            self._thawing.append(call)
        elif self.alive:
            token = PROCESS.set(self)
            try:
                call()
            finally:
                PROCESS.reset(token)

    def freeze(self) -> None:
        """Freezes the process, like SIGSTOP."""
        self.world.log(f"{self.name} is frozen")
        self.frozen = True

    def thaw(self) -> None:
        """Continues the process, like SIGCONT."""
        if not self.frozen:
            return
        self.world.log(f"{self.name} goes on")
        self.frozen = False
        while self._thawing and not self.frozen:
            self.enter(self._thawing.popleft())

    def die(self) -> None:
        """Ends the process, whatever it was doing."""
        self.alive = self.frozen = False
        self._thawing.clear()
        for task in sorted(self._tasks, key=hash):
            task.cancel()

    def number(self) -> int:
        """Returns a number that is unique in the loop; as a hash it gives sets the same order in every run."""
        return next(cast("SimLoop", asyncio.get_running_loop()).numbers)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Makes the task a part of the process."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its number, so that a set of them has the same order in every run."""

    _number: int

    def __new__(cls, *_: Any, loop: "SimLoop", **__: Any) -> Self:
        task = super().__new__(cls)
        task._number = next(loop.numbers)
        return task

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop on the virtual time of its world. Nothing in it waits for real time."""

    world: World | None = None

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.set_task_factory(make_task)

    def time(self) -> float:
        return super().time() if self.world is None else self.world.now_s

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        if self.world is None:
            return super().call_at(when, callback, *args, context=context)
        timer = SimTimer(when, callback, args, self, context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        run = timer.run if process is None else partial(process.enter, timer.run)
        timer.due = self.world.at(when - self.world.now_s, run)
        return timer

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Runs a thread's work at a moment that the dice choose, unless the process dies before."""
        future = self.create_future()

        def do() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  # the caller gets the error
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        process = PROCESS.get()
        self.call_later(DISK_S if process is None else process.dice.uniform(0, DISK_S), do)
        return future

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, SimTimer):
            handle.due.cancel()
        else:
            super()._timer_handle_cancelled(handle)  # type: ignore[misc]


class SimTimer(asyncio.TimerHandle):
    """A timer that the world schedules."""

    due: Any

    def run(self) -> None:
        """Runs the callback, unless it was cancelled."""
        if not self.cancelled():
            self._run()


def make_task(loop: Any, coroutine: Any, **options: Any) -> SimTask:
    """Makes a task of the current process; the loop's task factory."""
    context = options.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    task = SimTask(coroutine, loop=loop, **options)
    if process is not None:
        process.adopt(task)
    return task
