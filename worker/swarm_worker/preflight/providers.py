"""The model providers that a runner's sessions are configured to use, and the settings and addresses of each."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amplifier_swarm import text_files
from swarm_worker.domain.types import Role

if TYPE_CHECKING:
    from swarm_worker.runners.agent import AgentRunner
    from swarm_worker.runners.cli import CliRunner

# The variables of each provider's key; one of them is enough.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "azure-openai": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
# The variables of each provider's address. Providers that are not in DEFAULT_ADDRESSES can't do without an address.
ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_BASE_URL",),
    "openai": ("OPENAI_BASE_URL",),
    "azure-openai": ("AZURE_OPENAI_ENDPOINT",),
    "gemini": ("GOOGLE_GEMINI_BASE_URL",),
    "ollama": ("OLLAMA_HOST", "OLLAMA_BASE_URL"),
    "chat-completions": ("CHAT_COMPLETIONS_BASE_URL",),
    "vllm": ("VLLM_BASE_URL",),
}
DEFAULT_ADDRESSES: Final[Mapping[str, str]] = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "ollama": "http://127.0.0.1:11434",
}
AGENT_DEFAULT: Final = "anthropic"
_ADDRESS_SETTINGS: Final = ("base_url", "endpoint", "azure_endpoint", "host")
_KEY_SETTINGS: Final = ("api_key", "azure_ad_token", "managed_identity", "use_managed_identity")


@dataclass(frozen=True, slots=True)
class ConfiguredProvider:
    """A provider, by the short name of its module, with its settings; `source` names the file, or how it was chosen."""

    name: str
    source: str
    settings: Mapping[str, object] = field(default_factory=dict)

    def address(self, variables: Mapping[str, str]) -> str:
        """Returns the configured address; empty if there is none."""
        return self._setting(_ADDRESS_SETTINGS, variables) or _first(ADDRESSES.get(self.name, ()), variables)

    def has_key(self, variables: Mapping[str, str]) -> bool:
        """Returns whether the settings hold a key, or a variable of the provider is set."""
        return bool(self._setting(_KEY_SETTINGS, variables) or _first(KEYS.get(self.name, ()), variables))

    def missing_variables(self, variables: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the variables that the settings refer to and that are not set."""
        names = (_reference(value) for value in self.settings.values())
        return tuple(name for name in names if name and not variables.get(name))

    def _setting(self, keys: Iterable[str], variables: Mapping[str, str]) -> str:
        for key in keys:
            value = self.settings.get(key)
            name = _reference(value)
            if found := variables.get(name) if name else value:
                return str(found)
        return ""


def agent_providers(
    runner: "AgentRunner", env: Mapping[str, str], *, roles: Iterable[Role] = tuple(Role)
) -> list[ConfiguredProvider]:
    """Returns the providers of `amplifier-agent` for the roles, with what its own file of keys adds."""
    stored = _stored_settings(runner.home / "credentials.json")
    named = env.get("AMPLIFIER_AGENT_CONFIG")
    own = runner.home / "config" / "host_config.json"
    default = Path(named) if named else own if own.is_file() else None
    paths = [runner.configs.get(role) or default for role in roles]
    found = [_agent_provider(path) for path in dict.fromkeys(paths)]
    return [
        ConfiguredProvider(one.name, one.source, {**stored.get(one.name, {}), **one.settings})
        for one in found
    ]


def cli_providers(runner: "CliRunner", project_root: Path) -> list[ConfiguredProvider]:
    """Returns the provider that the user's settings prefer for `amplifier`; none if they name none."""
    from swarm_worker.runners.cli import settings_of  # noqa: PLC0415  # a worker has one runner

    for settings in settings_of(runner.home, project_root):
        config = settings.get("config")
        listed = settings.get("providers") or (config.get("providers") if isinstance(config, dict) else None)
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        if entries:
            entry = min(entries, key=_priority)
            name = str(entry.get("module", "")).removeprefix("provider-")
            return [ConfiguredProvider(name, "the user's settings", _object(entry.get("config")))]
    return []


def cli_variables(runner: "CliRunner", env: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the variables that `amplifier` sees: those of the session, and the keys that `amplifier init` stored."""
    try:
        lines = text_files.read(runner.home / "keys.env").splitlines()
    except (OSError, ValueError):
        return env
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {**{name.strip(): value.strip().strip("\"'") for name, value in pairs}, **env}


def _agent_provider(path: Path | None) -> ConfiguredProvider:
    if path is None:
        return ConfiguredProvider(AGENT_DEFAULT, "the agent's default")
    provider = _object(_read_json(path).get("provider"))
    name = provider.get("module")
    if not isinstance(name, str):
        return ConfiguredProvider(AGENT_DEFAULT, "the agent's default", _object(provider.get("config")))
    return ConfiguredProvider(name, str(path), _object(provider.get("config")))


def _stored_settings(path: Path) -> Mapping[str, Mapping[str, object]]:
    """Returns the settings that `amplifier-agent auth set` stored, by provider; older versions stored the key alone."""
    document = _read_json(path)
    providers = _object(document.get("providers", document))
    return {
        name: value if isinstance(value, dict) else {"api_key": value} for name, value in providers.items()
    }


def _priority(entry: Mapping[str, object]) -> float:
    """Returns the priority of an entry, lower numbers first; the program's own default is 100."""
    found = _object(entry.get("config")).get("priority", 100)
    return float(found) if isinstance(found, int | float) else 100.0


def _reference(value: object) -> str:
    """Returns the variable's name of a setting such as `${NAME}`, else nothing."""
    text = value.strip() if isinstance(value, str) else ""
    return text[2:-1].partition(":")[0] if text.startswith("${") and text.endswith("}") else ""


def _first(names: Iterable[str], variables: Mapping[str, str]) -> str:
    return next((variables[name] for name in names if variables.get(name)), "")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_json(path: Path) -> Mapping[str, Any]:
    """Reads a file that an earlier probe has checked, or that need not exist; returns an empty object otherwise."""
    try:
        return _object(json.loads(text_files.read(path)))
    except (OSError, ValueError):
        return {}
