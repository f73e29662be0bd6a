"""Keeps the conversation of one session in memory; nothing is compacted and nothing is stored."""

from copy import deepcopy
from typing import Any

from swarm_worker.embedded.kernel import Json


class MemoryContext:
    """The messages in order. Hands out copies, so that no reader can change what was said."""

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
