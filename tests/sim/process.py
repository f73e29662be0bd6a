"""A simulated process: what runs in it stops when it stands still, and is gone when it is killed.

Every task and every timer that code of the process begins is the process's, by a context variable. Its one
rule: nothing of a dead process ever runs again, but for the cancellation that takes it out of memory.
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
    """One life of a program."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.frozen = False
        self._thawing: deque[Call] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.dice = world.dice(f"process {name}")

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs the program."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        asyncio.get_running_loop().create_task(work, context=context)

    def enter(self, call: Call) -> None:
        """Runs something inside the process: never when it is dead, later when it stands still."""
        if self.frozen:
            self._thawing.append(call)
        elif self.alive:
            token = PROCESS.set(self)
            try:
                call()
            finally:
                PROCESS.reset(token)

    def freeze(self) -> None:
        """SIGSTOP."""
        self.world.log(f"{self.name} stands still")
        self.frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        if not self.frozen:
            return
        self.world.log(f"{self.name} goes on")
        self.frozen = False
        while self._thawing and not self.frozen:
            self.enter(self._thawing.popleft())

    def die(self) -> None:
        """The process is gone, whatever it was doing."""
        self.alive = self.frozen = False
        self._thawing.clear()
        for task in sorted(self._tasks, key=hash):
            task.cancel()

    def number(self) -> int:
        """One that no other thing of the loop has: what is in a set has the same order in every run by it."""
        return next(cast("SimLoop", asyncio.get_running_loop()).numbers)

    def owns(self, task: asyncio.Task[Any]) -> None:
        """The task is the process's."""
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
    """An event loop on virtual time, which its world passes. Nothing in it waits for real time."""

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
        """What a thread would do is done at a moment that the dice choose, if the process lives to see it."""
        future = self.create_future()

        def do() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001  # it is the caller's
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
    """A timer of which the world knows."""

    due: Any

    def run(self) -> None:
        """Its time has come."""
        if not self.cancelled():
            self._run()


def make_task(loop: Any, coroutine: Any, **options: Any) -> SimTask:
    """The loop's task factory."""
    context = options.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    task = SimTask(coroutine, loop=loop, **options)
    if process is not None:
        process.owns(task)
    return task
