"""Our own `bash` for the library's sessions.

The library's own ends commands after 120 s and calls the outcome unknown, after which it refuses every further shell
or write call of the turn; a longer limit in a call's arguments ends the turn. Here a limit is a plain failure.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .shell import DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S, ShellRefusal, run_shell

NAME: Final = "bash"
DESCRIPTION: Final = (
    "Runs a command with bash in the work folder, without input. Long output is cut in its middle. Processes that are"
    " left in the background are ended with the call, so start a server and use it in one command."
)
# Nothing is required: the library ends the turn for arguments that miss the schema, and the handler does not.
SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "command": {"description": "The command line; required."},
        "timeout": {
            "description": f"Seconds; the default is {DEFAULT_TIMEOUT_S:g}, the most is {MAX_TIMEOUT_S:g}."
        },
    },
}


def bash_tool(library: Any, root: Path) -> Any:
    """Returns the library's object for the tool; commands run in `root`."""

    async def run(arguments: Mapping[str, Any], context: Any) -> str:
        try:
            ended = await run_shell(arguments.get("command"), root, limit=arguments.get("timeout"))
        except ShellRefusal as refusal:
            raise library.ToolFailed(str(refusal)) from None
        if ended.exit_code != 0:
            what = (
                f"exit {ended.exit_code}" if ended.exit_code is not None else ended.message.partition(":")[0]
            )
            raise library.ToolFailed(f"{what}\n{ended.output}")
        return ended.output or "(no output)"

    return library.Tool(name=NAME, description=DESCRIPTION, input_schema=dict(SCHEMA), handler=run)
