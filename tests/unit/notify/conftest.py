"""Fixtures of notifier tests: a swarm with a notifier whose messages go into a list."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.clock import FakeEntropy
from support.engine import EngineHarness, engine_harness
from support.waiting import eventually
from swarmd.notify.digest import Message
from swarmd.notify.notifier import Notifier
from swarmd.notify.targets import Target, read_targets


@dataclass
class Inbox:
    """A target; while `broken` is set it refuses messages, while `stuck` is set it does not answer."""

    messages: list[Message] = field(default_factory=list)
    tries: int = 0
    broken: bool = False
    # Raised once by the next send.
    fault: Exception | None = None
    stuck: asyncio.Event | None = None
    seen: Callable[[], None] = lambda: None

    async def send(self, target: Target, message: Message) -> bool:
        self.tries += 1
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.seen()
        if self.stuck is not None:
            await self.stuck.wait()
        if not self.broken:
            self.messages.append(message)
        return not self.broken

    def titles(self) -> list[str]:
        return [message.title.partition(": ")[2] for message in self.messages]

    def bodies(self) -> list[str]:
        return [message.body for message in self.messages]


@dataclass
class NotifiedSwarm:
    """A swarm with its notifier and its target."""

    on: EngineHarness
    inbox: Inbox
    notifier: Notifier

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Lets time pass until the condition holds."""

        def check() -> object:
            self.on.clock.pass_s(1.0)
            return condition()

        await eventually(check, what)

    async def until_sent(self, count: int) -> None:
        await self.until(lambda: len(self.inbox.messages) >= count, f"{count} messages have come")


@asynccontextmanager
async def notifying(path: Path, inbox: Inbox, events: str = "") -> AsyncIterator[NotifiedSwarm]:
    """Runs a server with a notifier, from start to stop."""
    [target] = read_targets([f"json://host{events}"])
    async with engine_harness(path) as on:
        notifier = Notifier(target, inbox, swarm=on.swarm, entropy=FakeEntropy(), host="box")
        await notifier.start()
        try:
            yield NotifiedSwarm(on, inbox, notifier)
        finally:
            await notifier.close(10.0)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def notified(tmp_path: Path, inbox: Inbox) -> AsyncIterator[NotifiedSwarm]:
    async with notifying(tmp_path / "swarm.db", inbox) as found:
        yield found
