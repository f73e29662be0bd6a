"""The conversation of one session, in memory; it is neither compacted nor stored."""

from copy import deepcopy
from typing import Any

from swarm_worker.embedded.kernel import Json


class MemoryContext:
    """The messages in order. Every read returns a copy, so that no reader can change a message."""

    def __init__(self) -> None:
        self._messages: list[Json] = []

    async def add_message(self, message: Json) -> None:
        self._messages.append(deepcopy(message))

    async def get_messages_for_request(
        self, token_budget: int | None = None, provider: Any | None = None
    ) -> list[Json]:
        return await self.get_messages()

    async def get_messages(self) -> list[Json]:
        return deepcopy(self._messages)

    async def set_messages(self, messages: list[Json]) -> None:
        self._messages = deepcopy(messages)

    async def clear(self) -> None:
        self._messages = []
