"""The options of an agent, its file and its variables: closed, checked, and read once when it is created."""

import json
import os
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

from ._errors import AgentError
from ._records import Tool

VERSION: tuple[int, ...] = tuple(
    int(part) for part in os.environ.get("AMPLIFIER_STANDIN_LIBRARY", "0.21").split(".")
)
BUILTIN_TOOLS = (
    *("read_file", "write_file", "edit_file", "glob", "grep", "bash"),
    *("web_fetch", "web_search", "delegate"),
)
PROVIDERS = {
    "anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "gemini": "GOOGLE_API_KEY", "ollama": "",
}  # fmt: skip
PREFIX = "AMPLIFIER_AGENT_"
_OLD = ("storage",)
_NEW = ("working_directory", "additional_directories", "sessions_directory", "environment")
_NEWEST = ("reasoning_effort",)
_EXTRA = _OLD if VERSION < (0, 21) else _NEW if VERSION < (0, 22) else (*_NEW, *_NEWEST)
SETTINGS = {
    *("PROVIDER", "MODEL", "APPROVALS", "CONFIG"),
    *(("STORAGE", "WORKSPACE") if VERSION < (0, 21) else ("SESSIONS_DIRECTORY",)),
    *(("REASONING_EFFORT",) if VERSION >= (0, 22) else ()),
}
FILE_KEYS = {
    *("provider", "model", "sessions_directory", "approvals", "extra_request_params", "context_intelligence"),
    *(("reasoning_effort",) if VERSION >= (0, 22) else ()),
}
_COMMON = ("provider", "model", "instructions", "tools", "skills", "mcp_servers", "approvals")

AgentOptions = make_dataclass(
    "AgentOptions",
    [
        *((name, Any, field(default=None)) for name in (*_COMMON, *_EXTRA)),
        ("tool_error_policy", str, field(default="continue")),
        ("tool_result_max_bytes", Any, field(default=131072)),
    ],
)


@dataclass(frozen=True)
class Chosen:
    """The options as the agent uses them."""

    provider: str
    model: str
    tools: tuple[Tool | str, ...]
    root: Path
    sessions: Path
    approvals: str | None

    def tool(self, name: str) -> Tool | str | None:
        return next(
            (tool for tool in self.tools if name == (tool if isinstance(tool, str) else tool.name)), None
        )


def choose(options: Any) -> Chosen:
    """Checks everything that is known before a request; raises AgentError."""
    for name in os.environ:
        setting = name.removeprefix(PREFIX)
        closed = name.startswith(PREFIX) and not setting.startswith(("FACE_", "ENGINE_", "NODE_"))
        if closed and setting not in SETTINGS:
            raise AgentError("invalid_input", f"unregistered host environment setting {name}", "Remove it.")
    document = _file()
    provider = (
        options.provider or os.environ.get(f"{PREFIX}PROVIDER") or document.get("provider") or "anthropic"
    )
    model = options.model or os.environ.get(f"{PREFIX}MODEL") or document.get("model") or "claude-sonnet-5"
    if provider not in PROVIDERS:
        raise AgentError("selector_rejected", f"unknown provider {provider}", "Name a registered provider.")
    key = PROVIDERS[provider]
    if key and not os.environ.get(key):
        raise AgentError("engine_unavailable", f"{provider} has no credentials", f"Set {key}.")
    root = Path(options.working_directory or ".")
    if not root.is_dir():
        raise AgentError("invalid_input", "not a folder", "Name one.", details={"field": "working_directory"})
    return Chosen(
        provider, model, _tools(options.tools), root, Path(options.sessions_directory), options.approvals
    )


def _tools(given: list[Tool | str] | None) -> tuple[Tool | str, ...]:
    tools = tuple(BUILTIN_TOOLS if given is None else given)
    names = [tool if isinstance(tool, str) else tool.name for tool in tools]
    unknown = [tool for tool in tools if isinstance(tool, str) and tool not in BUILTIN_TOOLS]
    bare = [tool for tool in tools if isinstance(tool, Tool) and "$schema" not in tool.input_schema]
    if len(set(names)) != len(names) or unknown or bare:
        raise AgentError("invalid_input", f"bad tools {names}", "Correct them.", details={"field": "tools"})
    return tools


def _file() -> dict[str, Any]:
    named = os.environ.get(f"{PREFIX}CONFIG")
    path = Path(named or Path.home() / ".amplifier-agent" / "config.json")
    if not named and not path.exists():
        return {}
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AgentError("invalid_input", f"{path} can't be read", "Correct the file.") from error
    if unknown := sorted(document.keys() - FILE_KEYS):
        raise AgentError("invalid_input", f"unknown key {unknown[0]!r} in {path}", "Remove it.")
    return document


async def list_models(provider: str) -> list[str]:
    """Returns the provider's models; from 0.22 on. The key `refused` is one that the provider does not take."""
    if os.environ.get(PROVIDERS[provider]) == "refused":
        raise AgentError("provider_failed", f"{provider} rejected its credentials", "Give it a valid key.")
    return ["claude-sonnet-5", "claude-opus-5"]
