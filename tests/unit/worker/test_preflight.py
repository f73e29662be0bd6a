"""The preflight: what is missing is told in one line, before anything could be claimed and fail."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.standard_streams import STDOUT, sink
from swarm_worker.config import read_config
from swarm_worker.domain.types import Role
from swarm_worker.main import run
from swarm_worker.preflight import machine
from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.credentials import agent_credentials, cli_credentials
from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.process_tree import tree
from swarm_worker.preflight.run_once import REMEMBERED_S, once
from swarm_worker.preflight.selection import preflight_of
from swarm_worker.runners.agent import AgentRunner, Engine
from swarm_worker.runners.cli import Cli, CliRunner
from swarm_worker.runners.programs import ask
from swarm_worker.runners.selection import choose_runner

KEY = "ANTHROPIC_API_KEY"


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amplifier_swarm.logs.configure", lambda style, level, **_: None)


def _program(folder: Path, name: str, body: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _agent(folder: Path, *, doctor: int = 0, prepare: int = 0) -> Path:
    return _program(
        folder,
        "amplifier-agent",
        f"""echo "$1" >> {folder}/calls
        case "$1" in
        version) echo '{{"version": "0.14.1", "protocolVersion": "0.3.0"}}' ;;
        run) echo '--session-id --output --display --mode --workspace --config --protocol-version' ;;
        prepare) exit {prepare} ;;
        doctor) echo '[ OK ] python'; echo '[FAIL] cache'; exit {doctor} ;;
        esac""",
    )


def _env(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path / "home"), **more}


def _runner(tmp_path: Path, *argv: str, **more: str) -> AgentRunner:
    env = _env(tmp_path, **more)
    config = read_config(["--check", "--runner", "amplifier-agent", *argv], version="0")
    runner = choose_runner(config, project_root=tmp_path, own=env, env=env)
    assert isinstance(runner, AgentRunner)
    return runner


def _preflight(tmp_path: Path, runner: AgentRunner) -> Preflight:
    env = _env(tmp_path, **{KEY: "k"})
    return preflight_of(runner, project_root=tmp_path, own=env, env=env)


def test_what_is_found_is_asked_what_it_can_do(tmp_path: Path) -> None:
    path = _agent(tmp_path / "bin")

    engine = _runner(tmp_path).engine

    assert (engine.path, engine.version, engine.protocol) == (str(path), "0.14.1", "0.3.0")
    assert "--mode" in engine.options


def test_the_agent_s_own_variable_says_where_it_is(tmp_path: Path) -> None:
    path = _agent(tmp_path / "else")

    assert _runner(tmp_path, AMPLIFIER_AGENT_BIN=str(path)).engine.path == str(path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 1", "does not tell its version: it said nothing"),
        ("echo 'no such command' >&2; exit 2", "no such command"),
        ("echo hello", "can't be driven by this version"),
    ],
)
def test_a_program_that_is_another_one_stops_the_worker(tmp_path: Path, body: str, said: str) -> None:
    _program(tmp_path / "bin", "amplifier-agent", body)

    with pytest.raises(ProgramExit, match=said) as refused:
        _runner(tmp_path)

    assert refused.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("programs", "chosen"),
    [(("amplifier-agent", "amplifier"), "amplifier-agent"), (("amplifier",), "amplifier"), ((), "embedded")],
)
def test_auto_takes_the_best_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: tuple[str, ...], chosen: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    if "amplifier-agent" in programs:
        _agent(tmp_path / "bin")
    if "amplifier" in programs:
        _program(tmp_path / "bin", "amplifier", "echo --output-format --resume")
    env = {"PATH": str(tmp_path / "bin") + ":/bin"}

    runner = choose_runner(read_config(["--check"], version="0"), project_root=tmp_path, own=env, env=env)

    assert runner.name == chosen


def test_a_start_prepares_once_and_then_asks_the_doctor(tmp_path: Path) -> None:
    _agent(tmp_path / "bin")
    runner = _runner(tmp_path)

    _preflight(tmp_path, runner).start()
    _preflight(tmp_path, runner).start()

    calls = (tmp_path / "bin" / "calls").read_text("ascii").split()
    assert calls == ["version", "run", "prepare", "doctor"]


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({"prepare": 1}, "amplifier-agent prepare: it said nothing"),
        ({"doctor": 1}, r"amplifier-agent doctor: \[FAIL\] cache"),
    ],
)
def test_an_agent_that_is_not_well_stops_every_start(
    tmp_path: Path, codes: Mapping[str, int], said: str
) -> None:
    _agent(tmp_path / "bin", **codes)

    for _ in range(2):
        with pytest.raises(ProgramExit, match=said) as refused:
            _preflight(tmp_path, _runner(tmp_path)).start()
        assert refused.value.code is ExitCode.USAGE


def test_a_configuration_that_can_not_be_read_stops_the_start(tmp_path: Path) -> None:
    _agent(tmp_path / "bin")
    (tmp_path / "b.json").write_text("{broken", encoding="utf-8")
    runner = _runner(tmp_path, "--builder-config", str(tmp_path / "b.json"))

    with pytest.raises(ProgramExit, match=r"configuration: .*b\.json can't be read"):
        _preflight(tmp_path, runner).start()


def test_what_went_well_is_remembered_for_a_while(tmp_path: Path) -> None:
    looked: list[str] = []

    def look(*, ok: bool) -> list[Probe]:
        looked.append("once")
        return [Probe("x", "", ok=ok)]

    once(tmp_path, "key", lambda: look(ok=False))
    once(tmp_path, "key", lambda: look(ok=True))
    assert once(tmp_path, "key", lambda: look(ok=True)) == ()
    once(tmp_path, "another", lambda: look(ok=True))
    assert len(looked) == 3

    for stamp in tmp_path.glob("preflight-*"):
        age_s = stamp.stat().st_mtime - REMEMBERED_S - 1
        os.utime(stamp, (age_s, age_s))
    once(tmp_path, "key", lambda: look(ok=True))
    assert len(looked) == 4


def test_two_keys_that_share_a_stamp_are_not_taken_for_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_worker.preflight.run_once.crc32", lambda _: 1)
    found = [Probe("x", "")]

    assert once(tmp_path, "key", lambda: found) == found
    assert once(tmp_path, "another", lambda: found) == found
    assert once(tmp_path, "another", lambda: found) == ()


def _asked(tmp_path: Path, *, own: Mapping[str, str], env: Mapping[str, str], **configs: object) -> Probe:
    paths = {}
    for role, config in configs.items():
        paths[Role(role)] = tmp_path / f"{role}.json"
        paths[Role(role)].write_text(json.dumps(config), encoding="utf-8")
    runner = AgentRunner(
        Engine("/x", "1", "1"), configs=paths, env={"HOME": str(tmp_path / "home")}, cwd=tmp_path
    )
    return agent_credentials(runner, own=own, env=env)


def test_a_key_that_sessions_do_not_get_is_no_key(tmp_path: Path) -> None:
    assert _asked(tmp_path, own={KEY: "k"}, env={KEY: "k"}).ok
    kept = _asked(tmp_path, own={KEY: "k"}, env={})
    assert not kept.ok
    assert kept.hint == f"add --pass-env {KEY}"
    absent = _asked(tmp_path, own={}, env={})
    assert not absent.ok
    assert "k" not in _asked(tmp_path, own={KEY: "k"}, env={KEY: "k"}).text.split()


def test_the_configured_provider_s_key_is_asked_for(tmp_path: Path) -> None:
    openai = {"provider": {"module": "openai"}}
    local = {"provider": {"module": "ollama"}}
    away = {"provider": {"module": "openai", "config": {"base_url": "http://127.0.0.1:1"}}}

    assert not _asked(tmp_path, own={}, env={KEY: "k"}, builder=openai).ok
    assert _asked(tmp_path, own={}, env={"OPENAI_API_KEY": "k"}, builder=openai).ok
    assert _asked(tmp_path, own={}, env={}, builder=local, validator=away).ok
    assert not _asked(tmp_path, own={}, env={}, builder=local, validator=openai).ok


def test_the_agent_s_own_credentials_are_enough(tmp_path: Path) -> None:
    home = tmp_path / "home" / ".amplifier-agent"
    home.mkdir(parents=True)
    (home / "credentials.json").touch()

    assert _asked(tmp_path, own={}, env={}).ok


def test_the_cli_s_settings_are_enough(tmp_path: Path) -> None:
    runner = CliRunner(Cli("/x", takes_id=False), bundle="", env={"HOME": str(tmp_path)})
    assert not cli_credentials(runner, project_root=tmp_path / "p", own={}, env={}).ok
    assert cli_credentials(runner, project_root=tmp_path / "p", own={}, env={KEY: "k"}).ok

    runner.home.mkdir()
    (runner.home / "settings.yaml").write_text("config: {providers: [{module: x}]}", encoding="utf-8")
    assert cli_credentials(runner, project_root=tmp_path / "p", own={}, env={}).ok


def test_a_tree_is_started_and_ended() -> None:
    probe = tree()

    assert probe.ok, probe.text
    assert "processes ended" in probe.text


def test_a_machine_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.root_is_writable(tmp_path).ok
    assert list(tmp_path.iterdir()) == []
    assert not machine.root_is_writable(tmp_path / "absent").ok
    assert machine.git({"PATH": str(tmp_path)}).warning
    monkeypatch.setattr(machine, "ROOM_BYTES", 2**60)
    assert not machine.disk(tmp_path).ok


def test_a_program_that_can_not_answer_is_no_crash(tmp_path: Path) -> None:
    assert ask([str(tmp_path / "absent")], env={}, cwd=tmp_path, timeout_s=1).code is None
    assert "no answer in" in ask(["/bin/sleep", "60"], env={}, cwd=tmp_path, timeout_s=0.05).said


def test_check_needs_no_server_and_says_every_thing_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    argv = ["--check", "--project-root", str(tmp_path), "--runner", "command", "--no-validation"]
    assert run([*argv, "--builder-command", "true"]) == ExitCode.OK
    assert sink(STDOUT).flush(10)
    lines = capfd.readouterr().out.splitlines()
    assert [line.partition(":")[0].split()[-1] for line in lines] == [
        "root",
        "disk",
        "git",
        "kill",
        "command",
    ]

    assert run([*argv, "--builder-command", "no-such-agent"]) == ExitCode.NEGATIVE
    assert sink(STDOUT).flush(10)
    (line,) = capfd.readouterr().out.splitlines()
    assert line.startswith("FAIL  runner: --builder-command: there is no program 'no-such-agent'")
