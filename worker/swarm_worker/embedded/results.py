"""The result of a failed tool call, for the model and for the events."""

from typing import Any

from amplifier_core import ToolResult

from swarm_worker.embedded.kernel import Json


def failed_result(message: str, *, output: Json | None = None) -> Any:
    """Returns a failed result. Without an output, the model reads the message."""
    return ToolResult(success=False, error={"message": message}, output=output)
