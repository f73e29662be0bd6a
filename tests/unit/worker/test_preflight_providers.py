"""The preflight finds what the configured provider lacks: its key, its address, a server that answers."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from swarm_worker.domain.types import Role
from swarm_worker.preflight.credentials import probe_agent_credentials, probe_cli_credentials
from swarm_worker.preflight.endpoint import Place, parse_address, probe_endpoint
from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.providers import ConfiguredProvider
from swarm_worker.runners.agent import AgentRunner, Engine
from swarm_worker.runners.cli import Cli, CliRunner

KEY = "ANTHROPIC_API_KEY"
OPENAI = {"provider": {"module": "openai"}}
OLLAMA = {"provider": {"module": "ollama"}}


def _agent(
    tmp_path: Path,
    *,
    own: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    roles: tuple[Role, ...] = tuple(Role),
    **configs: object,
) -> Probe:
    paths = {}
    for role, config in configs.items():
        paths[Role(role)] = tmp_path / f"{role}.json"
        paths[Role(role)].write_text(json.dumps(config), encoding="utf-8")
    home = {"HOME": str(tmp_path / "home")}
    runner = AgentRunner(Engine("/x", "1", "1"), configs=paths, env=home, cwd=tmp_path)
    return probe_agent_credentials(runner, own=own or {}, env=env or {}, roles=roles)


def _store(tmp_path: Path, document: object) -> None:
    home = tmp_path / "home" / ".amplifier-agent"
    home.mkdir(parents=True)
    (home / "credentials.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_key_that_sessions_do_not_get_does_not_count(tmp_path: Path) -> None:
    assert _agent(tmp_path, own={KEY: "k"}, env={KEY: "k"}).ok
    kept = _agent(tmp_path, own={KEY: "k"})
    assert not kept.ok
    assert kept.hint == f"add --pass-env {KEY}"
    assert not _agent(tmp_path).ok


def test_no_text_has_the_value_of_a_key(tmp_path: Path) -> None:
    _store(tmp_path, {"providers": {"openai": {"api_key": "sk-secret"}}})
    env = {KEY: "sk-secret"}
    probes = [
        _agent(tmp_path, env=env),
        _agent(tmp_path, own=env),
        _agent(tmp_path, builder=OPENAI, validator=OPENAI),
    ]

    assert not [probe for probe in probes if "sk-secret" in probe.line()]


def test_only_the_configured_provider_s_key_counts(tmp_path: Path) -> None:
    away = {"provider": {"module": "openai", "config": {"base_url": "http://127.0.0.1:1"}}}

    assert not _agent(tmp_path, env={KEY: "k"}, builder=OPENAI, validator=OPENAI).ok
    assert _agent(tmp_path, env={"OPENAI_API_KEY": "k"}, builder=OPENAI, validator=OPENAI).ok
    assert _agent(tmp_path, builder=OLLAMA, validator=away).ok
    assert not _agent(tmp_path, builder=OLLAMA, validator=OPENAI).ok


def test_a_role_without_a_configuration_uses_the_agent_s_default_provider(tmp_path: Path) -> None:
    key = {"OPENAI_API_KEY": "k"}

    found = _agent(tmp_path, env=key, builder=OPENAI)
    assert not found.ok
    assert found.text.startswith("anthropic (the agent's default) has no key")
    assert _agent(tmp_path, env=key, builder=OPENAI, roles=(Role.BUILDER,)).ok
    assert not _agent(tmp_path, env=key).ok


def test_the_agent_s_variable_names_a_configuration_for_all_roles(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text(json.dumps(OPENAI), encoding="utf-8")
    env = {"AMPLIFIER_AGENT_CONFIG": str(tmp_path / "all.json")}

    assert not _agent(tmp_path, env={**env, KEY: "k"}).ok
    assert _agent(tmp_path, env={**env, "OPENAI_API_KEY": "k"}).ok


@pytest.mark.parametrize(
    "stored",
    [{"version": 1, "providers": {"anthropic": {"api_key": "k"}}}, {"anthropic": "k"}],
    ids=["now", "older"],
)
def test_a_key_that_the_agent_has_stored_counts_for_its_provider_alone(
    tmp_path: Path, stored: object
) -> None:
    _store(tmp_path, stored)

    assert _agent(tmp_path).ok
    assert not _agent(tmp_path, builder=OPENAI, validator=OPENAI).ok


@pytest.mark.parametrize("stored", [[], {}, {"providers": []}, {"providers": {"anthropic": {"api_key": ""}}}])
def test_a_file_without_a_key_counts_for_nothing(tmp_path: Path, stored: object) -> None:
    _store(tmp_path, stored)

    assert not _agent(tmp_path).ok


@pytest.mark.parametrize(
    ("module", "variable"),
    [
        ("azure-openai", "AZURE_OPENAI_ENDPOINT"),
        ("chat-completions", "CHAT_COMPLETIONS_BASE_URL"),
        ("vllm", "VLLM_BASE_URL"),
    ],
)
def test_a_provider_that_needs_an_address_fails_without_one(
    tmp_path: Path, module: str, variable: str
) -> None:
    key = {"AZURE_OPENAI_API_KEY": "k"}
    config = {"provider": {"module": module}}

    found = _agent(tmp_path, env=key, builder=config, validator=config)
    assert not found.ok
    assert "has no address" in found.text
    assert f"--pass-env {variable}" in found.hint
    assert _agent(tmp_path, env={**key, variable: "http://h"}, builder=config, validator=config).ok


def _cli(
    tmp_path: Path, settings: str = "", *, env: Mapping[str, str] | None = None, keys: str = ""
) -> Probe:
    runner = CliRunner(Cli("/x", takes_id=False), bundle="", env={"HOME": str(tmp_path)})
    runner.home.mkdir(exist_ok=True)
    (runner.home / "settings.yaml").write_text(settings, encoding="utf-8")
    (runner.home / "keys.env").write_text(keys, encoding="utf-8")
    return probe_cli_credentials(runner, project_root=tmp_path / "p", own={}, env=env or {})


ANTHROPIC = "config: {providers: [{module: provider-anthropic, config: {api_key: '${MY_KEY}'}}]}"


def test_the_cli_without_a_provider_takes_the_first_whose_key_is_set(tmp_path: Path) -> None:
    assert not _cli(tmp_path).ok
    assert _cli(tmp_path, env={"OPENAI_API_KEY": "k"}).ok
    assert _cli(tmp_path, keys="# stored\nANTHROPIC_API_KEY='k'\n").ok


def test_a_variable_that_the_cli_s_settings_refer_to_must_be_set_or_stored(tmp_path: Path) -> None:
    found = _cli(tmp_path, ANTHROPIC, env={"OPENAI_API_KEY": "k", KEY: "k"})
    assert not found.ok
    assert "MY_KEY is not set" in found.text
    assert _cli(tmp_path, ANTHROPIC, env={"MY_KEY": "k"}).ok
    assert _cli(tmp_path, ANTHROPIC, keys="MY_KEY=k").ok


def test_the_key_of_another_provider_does_not_serve_the_cli_s_provider(tmp_path: Path) -> None:
    settings = "config: {providers: [{module: provider-openai, config: {default_model: m}}]}"

    assert not _cli(tmp_path, settings, env={KEY: "k"}).ok
    assert _cli(tmp_path, settings, env={"OPENAI_API_KEY": "k"}).ok


def test_the_cli_s_preferred_provider_counts(tmp_path: Path) -> None:
    settings = (
        "config: {providers: [{module: provider-openai, config: {priority: 5}},"
        " {module: provider-vllm, config: {priority: 1}}]}"
    )

    found = _cli(tmp_path, settings, env={"OPENAI_API_KEY": "k"})
    assert not found.ok
    assert found.text == "vllm (the user's settings) has no address"


def test_an_unknown_provider_may_need_nothing(tmp_path: Path) -> None:
    assert _cli(tmp_path, "config: {providers: [{module: x}]}").ok


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def closed() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _provider(name: str, **settings: object) -> ConfiguredProvider:
    return ConfiguredProvider(name, "test", settings)


def test_an_address_that_accepts_connections_is_proven(server: int) -> None:
    found = probe_endpoint(_provider("vllm", base_url=f"http://127.0.0.1:{server}/v1"), {})

    assert (found.ok, found.warning, found.unproven) == (True, False, False)
    assert f"127.0.0.1:{server} accepts connections" in found.text


def test_a_provider_that_does_not_run_fails(closed: int) -> None:
    by_setting = probe_endpoint(_provider("vllm", base_url=f"http://127.0.0.1:{closed}"), {})
    by_variable = probe_endpoint(_provider("ollama"), {"OLLAMA_HOST": f"127.0.0.1:{closed}"})

    for found in (by_setting, by_variable):
        assert not found.ok
        assert "can't be reached" in found.text


def test_a_proxy_is_no_way_to_this_machine(closed: int) -> None:
    proxy = {"HTTPS_PROXY": "http://proxy.invalid:3128"}

    assert not probe_endpoint(_provider("vllm", base_url=f"http://localhost:{closed}"), proxy).ok
    away = probe_endpoint(_provider("openai"), proxy)
    assert away.unproven
    assert "HTTPS_PROXY" in away.text


def test_an_unknown_address_is_not_proven() -> None:
    assert probe_endpoint(_provider("github-copilot"), {}).unproven


@pytest.mark.parametrize(
    ("text", "provider", "place"),
    [
        ("https://h.example", "", Place("h.example", 443)),
        ("http://h/v1", "", Place("h", 80)),
        ("http://[::1]:9/v1", "", Place("::1", 9)),
        ("127.0.0.1", "ollama", Place("127.0.0.1", 11434)),
        ("0.0.0.0:7", "ollama", Place("127.0.0.1", 7)),
        ("host:7", "vllm", Place("host", 7)),
    ],
)
def test_addresses_are_read_as_programs_write_them(text: str, provider: str, place: Place) -> None:
    assert parse_address(text, provider) == place


@pytest.mark.parametrize(
    "text", ["ftp://h", "http://", "http://h:x", "http://h:99999", "http://h:0", "http://[::1"]
)
def test_what_is_no_address_fails_with_the_text(text: str) -> None:
    found = probe_endpoint(_provider("vllm", base_url=text), {})

    assert not found.ok
    assert text in found.text
