"""The probe for the credentials and the address of the configured provider.

Invariant: a key's value is never used, only whether the key is set. The probe fails only if the program itself would
find no credentials: an unknown provider may need none.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarm_worker.domain.types import Role
from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.providers import (
    ADDRESSES,
    DEFAULT_ADDRESSES,
    KEYS,
    ConfiguredProvider,
    agent_providers,
    cli_providers,
    cli_variables,
)

if TYPE_CHECKING:
    from swarm_worker.runners.agent import AgentRunner
    from swarm_worker.runners.cli import CliRunner

NAME: Final = "credentials"
ALL_KEYS: Final = tuple(name for names in KEYS.values() for name in names)
# Variables that point to a provider without a key, or to keys in another place.
OTHER_VARIABLES: Final = ("OLLAMA_HOST", "OLLAMA_BASE_URL", "GITHUB_TOKEN")


def probe_agent_credentials(
    runner: "AgentRunner",
    *,
    own: Mapping[str, str],
    env: Mapping[str, str],
    roles: Iterable[Role] = tuple(Role),
) -> Probe:
    """Looks for what each configured provider of `amplifier-agent` needs: in its own file, its settings, `env`."""
    providers = agent_providers(runner, env, roles=roles)
    return _worst(
        [_probe_provider(one, own=own, env=env, store="`amplifier-agent auth set`") for one in providers]
    )


def probe_cli_credentials(
    runner: "CliRunner", *, project_root: Path, own: Mapping[str, str], env: Mapping[str, str]
) -> Probe:
    """Looks for what `amplifier` needs: in the user's settings and stored keys, or in `env`.

    Without a provider in the settings, the program takes the first whose key is set.
    """
    variables = cli_variables(runner, env)
    providers = cli_providers(runner, project_root)
    if not providers:
        return _probe_any(own=own, env=variables)
    return _worst(
        [_probe_provider(one, own=own, env=variables, store="`amplifier init`") for one in providers]
    )


def _worst(probes: Sequence[Probe]) -> Probe:
    """Returns the first failure, or one success with the texts of all."""
    failed = next((probe for probe in probes if not probe.ok), None)
    return failed or Probe(NAME, "; ".join(dict.fromkeys(probe.text for probe in probes)))


def _probe_provider(
    provider: ConfiguredProvider, *, own: Mapping[str, str], env: Mapping[str, str], store: str
) -> Probe:
    who = f"{provider.name} ({provider.source})"
    if missing := provider.missing_variables(env):
        return _lacks(f"{who} refers to {missing[0]}", missing, own=own, store=store)
    address = provider.address(env)
    if not address and provider.name in ADDRESSES and provider.name not in DEFAULT_ADDRESSES:
        variable = ADDRESSES[provider.name][0]
        text = f"{who} has no address"
        return Probe(
            NAME, text, ok=False, hint=f"set base_url in its configuration, or --pass-env {variable}"
        )
    names = KEYS.get(provider.name, ())
    if not names or provider.has_key(env):
        return Probe(NAME, f"{who} has what it needs" if names else f"{who} needs no key that is known here")
    if address and provider.settings:
        return Probe(NAME, f"{who} has an address of its own, which may need no key")
    return _lacks(f"{who} has no key", names, own=own, store=store)


def _lacks(text: str, names: Sequence[str], *, own: Mapping[str, str], store: str) -> Probe:
    if unpassed := next((name for name in names if own.get(name)), None):
        text = f"{text}: {unpassed} is set here, but sessions do not get it"
        return Probe(NAME, text, ok=False, hint=f"add --pass-env {unpassed}")
    text = f"{text}: {' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set"
    return Probe(NAME, text, ok=False, hint=f"set {names[0]} and add --pass-env {names[0]}, or use {store}")


def _probe_any(*, own: Mapping[str, str], env: Mapping[str, str]) -> Probe:
    if passed := next((name for name in (*ALL_KEYS, *OTHER_VARIABLES) if env.get(name)), None):
        return Probe(NAME, f"{passed} is passed to the sessions")
    if unpassed := next((name for name in ALL_KEYS if own.get(name)), None):
        text = f"{unpassed} is set here, but sessions do not get it"
        return Probe(NAME, text, ok=False, hint=f"add --pass-env {unpassed}")
    text = f"sessions would have no provider: none of {', '.join(ALL_KEYS)} is set"
    return Probe(
        NAME, text, ok=False, hint=f"set one and add --pass-env {ALL_KEYS[0]}, or use `amplifier init`"
    )
