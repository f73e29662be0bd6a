"""The execution of calls: the library's own tools, and those of the caller."""

import asyncio
import subprocess

from fakes.standin import tools
from fakes.standin.script import Call

from ._errors import AgentError
from ._options import Chosen
from ._records import Tool, ToolCall, ToolContext, ToolFailed, ToolResolution

BASH_LIMIT_S = 120


async def resolve(call: ToolCall, chosen: Chosen, *, fails: bool) -> ToolResolution:
    """Executes a call; raises AgentError if that ends the turn."""
    tool = chosen.tool(call.name)
    if fails:
        return ToolResolution(call.call_id, "failed", "Access denied")
    if isinstance(tool, Tool):
        return await _caller(tool, call)
    if call.name == "bash":
        return await _bash(call, chosen)
    result = tools.run(Call(call.name, call.arguments), chosen.root)
    return ToolResolution(
        call.call_id, "completed" if result.success else "failed", result.output or result.error
    )


async def _caller(tool: Tool, call: ToolCall) -> ToolResolution:
    if missing := [name for name in tool.input_schema.get("required", ()) if name not in call.arguments]:
        raise AgentError("invalid_input", f"{missing[0]!r} is missing.", "Correct the arguments.")
    try:
        text = await tool.handler(call.arguments, ToolContext(call.call_id))
    except ToolFailed as failed:
        return ToolResolution(call.call_id, "failed", str(failed))
    except Exception as error:
        raise AgentError("tool_callback_failed", f"the handler raised {error!r}") from error
    return ToolResolution(call.call_id, "completed", text)


async def _bash(call: ToolCall, chosen: Chosen) -> ToolResolution:
    limit = float(call.arguments.get("timeout", 30))
    if limit > BASH_LIMIT_S:
        raise AgentError("invalid_input", "'timeout' must be at most 120.", "Correct the arguments.")
    argv = ["bash", "-c", call.arguments["command"]]
    done = await asyncio.to_thread(
        subprocess.run, argv, cwd=chosen.root, capture_output=True, text=True, timeout=limit, check=False
    )
    outcome = "completed" if done.returncode == 0 else "failed"
    return ToolResolution(call.call_id, outcome, done.stdout + done.stderr)
