"""The probe for a provider's credentials. Invariant: a key's value is never used, only whether the key is set.

The probe fails only if the program itself would find no credentials: an unknown provider may need none.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from amplifier_swarm import text_files
from swarm_worker.preflight.probe import Probe

if TYPE_CHECKING:
    from swarm_worker.runners.agent import AgentRunner
    from swarm_worker.runners.cli import CliRunner

NAME: Final = "credentials"
# The variables of each provider; one of them is enough.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "azure-openai": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
ALL_KEYS: Final = tuple(name for names in KEYS.values() for name in names)
# Variables that point to a provider without a key, or to keys in another place.
OTHER_VARIABLES: Final = ("OLLAMA_HOST", "OLLAMA_BASE_URL", "GITHUB_TOKEN", "AMPLIFIER_AGENT_CONFIG")


def probe_agent_credentials(
    runner: "AgentRunner", *, own: Mapping[str, str], env: Mapping[str, str]
) -> Probe:
    """Looks for the credentials of `amplifier-agent`: its own files, the host configurations, the environment."""
    if (runner.home / "credentials.json").is_file():
        return Probe(NAME, f"in {runner.home / 'credentials.json'}")
    if (runner.home / "config" / "host_config.json").is_file():
        return Probe(NAME, "left to the agent's own configuration")
    configs = [_read_json(path) for path in runner.configs.values()]
    if configs and all(map(_needs_no_key, configs)):
        return Probe(NAME, "left to --builder-config and --validator-config")
    return _probe_environment(_key_names(configs), own=own, env=env, command="`amplifier-agent auth set`")


def probe_cli_credentials(
    runner: "CliRunner", *, project_root: Path, own: Mapping[str, str], env: Mapping[str, str]
) -> Probe:
    """Looks for the credentials of `amplifier`: the user's settings, or the environment."""
    from swarm_worker.runners.cli import settings_of, unparsable_settings  # noqa: PLC0415  # a worker has one runner

    if fault := unparsable_settings(runner.home, project_root):
        return Probe(
            NAME, fault, ok=False, hint="correct it: amplifier would put its own choice in its place"
        )
    for settings in settings_of(runner.home, project_root):
        config = settings.get("config")
        if settings.get("providers") or (isinstance(config, dict) and config.get("providers")):
            return Probe(NAME, "left to the providers of the user's settings")
    return _probe_environment(ALL_KEYS, own=own, env=env, command="`amplifier init`")


def _probe_environment(
    keys: Sequence[str], *, own: Mapping[str, str], env: Mapping[str, str], command: str
) -> Probe:
    if passed := next((name for name in (*keys, *OTHER_VARIABLES) if env.get(name)), None):
        return Probe(NAME, f"{passed} is passed to the sessions")
    if unpassed := next((name for name in keys if own.get(name)), None):
        return Probe(
            NAME,
            f"{unpassed} is set here, but sessions do not get it",
            ok=False,
            hint=f"add --pass-env {unpassed}",
        )
    text = f"sessions would have no provider: none of {', '.join(keys)} is set"
    return Probe(NAME, text, ok=False, hint=f"set one and add --pass-env {keys[0]}, or use {command}")


def _key_names(configs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns the variables of the configured providers; of all providers if none is configured."""
    modules = {_provider(config).get("module") for config in configs} - {None}
    return tuple(name for module in sorted(map(str, modules)) for name in KEYS.get(module, ())) or ALL_KEYS


def _needs_no_key(config: Mapping[str, Any]) -> bool:
    """Returns whether the provider seems to need no key from the environment."""
    provider = _provider(config)
    module = provider.get("module")
    settings = provider.get("config")
    keyed = isinstance(settings, dict) and any(
        settings.get(name) for name in ("api_key", "base_url", "endpoint")
    )
    return module is not None and (module not in KEYS or keyed)


def _provider(config: Mapping[str, Any]) -> Mapping[str, Any]:
    provider = config.get("provider")
    return provider if isinstance(provider, dict) else {}


def _read_json(path: Path) -> Mapping[str, Any]:
    """Reads a configuration that an earlier probe has checked; returns an empty one if that has changed since."""
    try:
        found = json.loads(text_files.read(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
