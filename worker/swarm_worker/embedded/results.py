"""How a tool call that did not succeed is told, to the model and to the events alike."""

from typing import Any

from amplifier_core import ToolResult

from swarm_worker.embedded.kernel import Json


def failed(message: str, *, output: Json | None = None) -> Any:
    """The result of such a call. Without an output of its own the message is what the model reads."""
    return ToolResult(success=False, error={"message": message}, output=output)
