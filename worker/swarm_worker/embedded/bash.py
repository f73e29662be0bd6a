"""The tool that runs shell commands in the work folder; see `shell` for what becomes of their processes."""

from pathlib import Path
from typing import Any

from amplifier_core import ToolResult

from swarm_worker.agent_library.shell import DEFAULT_TIMEOUT_S, ShellRefusal, run_shell
from swarm_worker.embedded.kernel import Json
from swarm_worker.embedded.results import failed_result


class Bash:
    """The tool that runs a command line with bash, without input."""

    name = "bash"
    description = "Runs a command with bash in the work folder; output and time are bounded."
    input_schema: Json = {  # noqa: RUF012  # read only
        "type": "object",
        "properties": {
            "command": {"type": "string"},
            "timeout_s": {"type": "string", "description": f"Seconds; the default is {DEFAULT_TIMEOUT_S:g}."},
        },
        "required": ["command"],
    }

    def __init__(self, root: Path) -> None:
        self._root = root

    async def execute(self, input: Json) -> Any:  # noqa: A002  # the kernel's own word
        try:
            ended = await run_shell(input.get("command"), self._root, limit=input.get("timeout_s"))
        except ShellRefusal as refusal:
            return failed_result(str(refusal))
        output = {"exit_code": ended.exit_code, "output": ended.output}
        return (
            ToolResult(output=output) if ended.exit_code == 0 else failed_result(ended.message, output=output)
        )
