"""The host configuration file of `amplifier-agent`: unknown keys at the top level are errors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .envelope import Refusal

KEYS = frozenset({"mcp", "approval", "provider", "providers", "allowProtocolSkew", "skills", "debug"})
PROVIDERS = (
    "anthropic",
    "openai",
    "azure-openai",
    "ollama",
    "github-copilot",
    "openai-chatgpt",
    "chat-completions",
    "gemini",
    "vllm",
)
DEFAULT_PROVIDER = "anthropic"
DEFAULT_MODEL = "claude-sonnet-5"
APPROVALS = ("yes", "no", "prompt")


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The values of a configuration."""

    provider: str = DEFAULT_PROVIDER
    model: str = DEFAULT_MODEL
    approval: str = ""
    allows_skew: bool = False


def read_config(name: str) -> HostConfig:
    """Reads the file, or returns the defaults without a name; raises Refusal."""
    if not name:
        return HostConfig()
    document = _document(name)
    if unknown := sorted(document.keys() - KEYS):
        raise Refusal("config_unknown_key", f"unknown top-level key {unknown[0]!r} in {name}")
    provider = _object(document.get("provider", {}), "provider")
    module = provider.get("module", DEFAULT_PROVIDER)
    if module not in PROVIDERS:
        raise Refusal("config_invalid_provider_module", f"provider.module {module!r} is not a known provider")
    approval = _object(document.get("approval", {}), "approval").get("mode", "")
    if approval not in ("", *APPROVALS):
        raise Refusal(
            "config_invalid_type", f"approval.mode {approval!r} is not one of {', '.join(APPROVALS)}"
        )
    model = _object(provider.get("config", {}), "provider.config").get("default_model", DEFAULT_MODEL)
    return HostConfig(module, model, approval, bool(document.get("allowProtocolSkew")))


def _document(name: str) -> dict[str, Any]:
    try:
        document = json.loads(Path(name).read_text("utf-8"))
    except OSError as error:
        raise Refusal("config_unreadable", f"{name}: {error.strerror}") from error
    except ValueError as error:
        raise Refusal("config_malformed_json", f"{name}: {error}") from error
    if not isinstance(document, dict):
        raise Refusal("config_malformed_json", f"{name} is not a JSON object")
    return document


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal("config_invalid_type", f"{where} must be an object")
    return value
