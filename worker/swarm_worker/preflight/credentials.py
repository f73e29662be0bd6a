"""Whether sessions will find a provider's credentials. Its one rule: no key is ever read further than `is it set`.

It says no only where the program itself would find nothing: a provider that it does not know may need none.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from swarm_worker.preflight.probe import Probe

if TYPE_CHECKING:
    from swarm_worker.runners.agent import AgentRunner
    from swarm_worker.runners.cli import CliRunner

NAME: Final = "credentials"
# By provider, the variables of which any is enough.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "azure-openai": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}
ALL: Final = tuple(name for names in KEYS.values() for name in names)
# They say where a provider without a key is, or that the keys are elsewhere.
ELSE: Final = ("OLLAMA_HOST", "OLLAMA_BASE_URL", "GITHUB_TOKEN", "AMPLIFIER_AGENT_CONFIG")


def agent_credentials(runner: "AgentRunner", *, own: Mapping[str, str], env: Mapping[str, str]) -> Probe:
    """For `amplifier-agent`: its configuration, the environment, its own file."""
    if (runner.home / "credentials.json").is_file():
        return Probe(NAME, f"in {runner.home / 'credentials.json'}")
    if (runner.home / "config" / "host_config.json").is_file():
        return Probe(NAME, "left to the agent's own configuration")
    configs = [_json(path) for path in runner.configs.values()]
    if configs and all(map(_is_cared_for, configs)):
        return Probe(NAME, "left to --builder-config and --validator-config")
    return _environment(_wanted(configs), own=own, env=env, file="`amplifier-agent auth set`")


def cli_credentials(
    runner: "CliRunner", *, project_root: Path, own: Mapping[str, str], env: Mapping[str, str]
) -> Probe:
    """For `amplifier`: the user's settings, or the environment."""
    from swarm_worker.runners.cli import settings_of  # noqa: PLC0415  # a worker has one runner

    for settings in settings_of(runner.home, project_root):
        config = settings.get("config")
        if settings.get("providers") or (isinstance(config, dict) and config.get("providers")):
            return Probe(NAME, "left to the providers of the user's settings")
    return _environment(ALL, own=own, env=env, file="`amplifier init`")


def _environment(
    wanted: Iterable[str], *, own: Mapping[str, str], env: Mapping[str, str], file: str
) -> Probe:
    wanted = tuple(wanted)
    if found := next((name for name in (*wanted, *ELSE) if env.get(name)), None):
        return Probe(NAME, f"{found} is passed to the sessions")
    if kept := next((name for name in wanted if own.get(name)), None):
        return Probe(
            NAME, f"{kept} is set here, but sessions do not get it", ok=False, hint=f"add --pass-env {kept}"
        )
    text = f"sessions would have no provider: no {' or '.join(wanted)}"
    return Probe(NAME, text, ok=False, hint=f"set it and add --pass-env {wanted[0]}, or use {file}")


def _wanted(configs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The variables that would do; without a configuration, those of any provider."""
    modules = {_provider(config).get("module") for config in configs} - {None}
    return tuple(name for module in sorted(map(str, modules)) for name in KEYS.get(module, ())) or ALL


def _is_cared_for(config: Mapping[str, Any]) -> bool:
    """Whether the provider needs no key of the environment, as far as can be seen."""
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


def _json(path: Path) -> Mapping[str, Any]:
    """A configuration that was read once already."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
