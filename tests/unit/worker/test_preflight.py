"""The preflight names a missing requirement in one line, before the worker claims a task."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.standard_streams import STDOUT, sink
from swarm_worker.config import read_config
from swarm_worker.main import run
from swarm_worker.preflight import guarded, machine, process_tree
from swarm_worker.preflight.base import Preflight
from swarm_worker.preflight.environment import NETWORK, probe_environment
from swarm_worker.preflight.probe import Probe
from swarm_worker.preflight.process_tree import probe_kill
from swarm_worker.preflight.run_once import REMEMBERED_S, run_once
from swarm_worker.preflight.selection import create_preflight
from swarm_worker.runners.agent import AgentRunner
from swarm_worker.runners.programs import run_program
from swarm_worker.runners.selection import choose_runner
from swarm_worker.workspace.git import NoTree, WorkTree

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
    return create_preflight(runner, project_root=tmp_path, own=env, env=env)


def test_a_found_program_is_asked_for_its_options(tmp_path: Path) -> None:
    path = _agent(tmp_path / "bin")

    engine = _runner(tmp_path).engine

    assert (engine.path, engine.version, engine.protocol) == (str(path), "0.14.1", "0.3.0")
    assert "--mode" in engine.options


def test_the_agent_s_own_variable_names_its_path(tmp_path: Path) -> None:
    path = _agent(tmp_path / "else")

    assert _runner(tmp_path, AMPLIFIER_AGENT_BIN=str(path)).engine.path == str(path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exit 1", "version --json fails: it printed nothing"),
        ("echo 'no such command' >&2; exit 2", "no such command"),
        ("echo hello", "does not work with this version of swarm-worker"),
    ],
)
def test_an_incompatible_program_stops_the_worker(tmp_path: Path, body: str, said: str) -> None:
    _program(tmp_path / "bin", "amplifier-agent", body)

    with pytest.raises(ProgramExit, match=said) as refused:
        _runner(tmp_path)

    assert refused.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("programs", "chosen"),
    [(("amplifier-agent", "amplifier"), "amplifier-agent"), (("amplifier",), "amplifier")],
)
def test_auto_chooses_the_best_installed_program(
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


def test_a_start_prepares_once_and_then_runs_the_doctor(tmp_path: Path) -> None:
    _agent(tmp_path / "bin")
    runner = _runner(tmp_path)

    _preflight(tmp_path, runner).require()
    _preflight(tmp_path, runner).require()

    calls = (tmp_path / "bin" / "calls").read_text("ascii").split()
    assert calls == ["version", "run", "prepare", "doctor"]


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({"prepare": 1}, "amplifier-agent prepare: it printed nothing"),
        ({"doctor": 1}, r"amplifier-agent doctor: \[FAIL\] cache"),
    ],
)
def test_an_agent_whose_doctor_fails_stops_every_start(
    tmp_path: Path, codes: Mapping[str, int], said: str
) -> None:
    _agent(tmp_path / "bin", **codes)

    for _ in range(2):
        with pytest.raises(ProgramExit, match=said) as refused:
            _preflight(tmp_path, _runner(tmp_path)).require()
        assert refused.value.code is ExitCode.USAGE


def test_a_configuration_that_can_not_be_read_stops_the_start(tmp_path: Path) -> None:
    _agent(tmp_path / "bin")
    (tmp_path / "b.json").write_text("{broken", encoding="utf-8")
    runner = _runner(tmp_path, "--builder-config", str(tmp_path / "b.json"))

    with pytest.raises(ProgramExit, match=r"configuration: .*b\.json can't be read"):
        _preflight(tmp_path, runner).require()


def test_a_success_is_remembered_for_a_while(tmp_path: Path) -> None:
    looked: list[str] = []

    def look(*, ok: bool) -> list[Probe]:
        looked.append("once")
        return [Probe("x", "", ok=ok)]

    run_once(tmp_path, "key", lambda: look(ok=False))
    run_once(tmp_path, "key", lambda: look(ok=True))
    assert run_once(tmp_path, "key", lambda: look(ok=True)) == ()
    run_once(tmp_path, "another", lambda: look(ok=True))
    assert len(looked) == 3

    for stamp in tmp_path.glob("preflight-*"):
        age_s = stamp.stat().st_mtime - REMEMBERED_S - 1
        os.utime(stamp, (age_s, age_s))
    run_once(tmp_path, "key", lambda: look(ok=True))
    assert len(looked) == 4


def test_two_keys_with_the_same_crc_do_not_share_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_worker.preflight.run_once.crc32", lambda _: 1)
    found = [Probe("x", "")]

    assert run_once(tmp_path, "key", lambda: found) == found
    assert run_once(tmp_path, "another", lambda: found) == found
    assert run_once(tmp_path, "another", lambda: found) == ()


def test_a_success_is_forgotten_with_the_caches_that_it_filled(tmp_path: Path) -> None:
    cache, runs = tmp_path / "cache", []

    def fill() -> list[Probe]:
        cache.mkdir(exist_ok=True)
        (cache / "module").touch()
        runs.append(1)
        return [Probe("x", "")]

    for _ in range(2):
        run_once(tmp_path / "machine", "key", fill, caches=(cache,))
        run_once(tmp_path / "machine", "key", fill, caches=(cache,))
        (cache / "module").unlink()
        cache.rmdir()

    assert len(runs) == 2


def test_a_process_tree_is_started_and_killed() -> None:
    probe = probe_kill()

    assert probe.ok, probe.text
    assert "processes ended" in probe.text


def test_the_machine_s_probes_report_disk_folder_and_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.probe_project_root(tmp_path).ok
    assert list(tmp_path.iterdir()) == []
    assert not machine.probe_project_root(tmp_path / "absent").ok
    assert machine.probe_git(tmp_path, {"PATH": str(tmp_path)}).warning
    monkeypatch.setattr(machine, "MIN_FREE_BYTES", 2**60)
    assert not machine.probe_disk(tmp_path).ok


def test_a_program_that_can_not_answer_gives_no_exit_code(tmp_path: Path) -> None:
    assert run_program([str(tmp_path / "absent")], env={}, cwd=tmp_path, timeout_s=1).code is None
    assert "no answer in" in run_program(["/bin/sleep", "60"], env={}, cwd=tmp_path, timeout_s=0.05).last_line


def test_check_needs_no_server_and_prints_a_line_for_each_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in NETWORK:
        monkeypatch.delenv(name, raising=False)
    argv = ["--check", "--project-root", str(tmp_path), "--runner", "command", "--no-validation"]
    assert run([*argv, "--builder-command", "true"]) == ExitCode.OK
    assert sink(STDOUT).flush(10)
    lines = capfd.readouterr().out.splitlines()
    assert [line.partition(":")[0].split()[-1] for line in lines] == [
        "root",
        "disk",
        "git",
        "kill",
        "environment",
        "command",
        "sandbox",
        "limits",
        "model",
    ]
    assert lines[-1].startswith("open  model: not asked, so it is not proven")

    assert run([*argv, "--builder-command", "no-such-agent"]) == ExitCode.NEGATIVE
    assert sink(STDOUT).flush(10)
    (line,) = capfd.readouterr().out.splitlines()
    assert line.startswith("FAIL  runner: --builder-command: 'no-such-agent' is not on PATH")


@pytest.mark.parametrize(
    "name", ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"]
)
def test_a_proxy_or_ca_that_sessions_do_not_get_is_named(name: str) -> None:
    own = {name: "x", "PATH": "/bin"}

    (warned,) = probe_environment(own, {"PATH": "/bin"}, passed=())
    (passed,) = probe_environment(own, own, passed=(name,))

    assert warned.warning
    assert warned.ok
    assert name in warned.text
    assert warned.hint == f"add --pass-env {name}"
    assert not passed.warning
    assert name in passed.text


def test_a_passed_name_that_is_not_set_is_named() -> None:
    (warned,) = probe_environment({"PATH": "/bin"}, {"PATH": "/bin"}, passed=("TYPPO", "PATH"))

    assert warned.warning
    assert "TYPPO" in warned.text
    assert "PATH" not in warned.text


def test_both_kinds_of_missing_variables_are_named_and_none_is_named_without_cause() -> None:
    system = {"CURL_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt", "GIT_SSL_CAINFO": "/etc/ssl/cert.pem"}
    (found,) = probe_environment(system, {}, passed=())
    assert not found.warning
    assert len(list(probe_environment({"HTTP_PROXY": "x"}, {}, passed=("NONE",)))) == 2
    (fine,) = probe_environment({"HTTP_PROXY": ""}, {}, passed=())
    assert not fine.warning


def test_the_system_s_certificates_are_named_for_programs_that_bring_their_own() -> None:
    system = {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt", "SSL_CERT_DIR": "/etc/ssl/certs/"}

    (found,) = probe_environment(system, {}, passed=())

    assert found.warning
    assert found.hint == "add --pass-env SSL_CERT_FILE --pass-env SSL_CERT_DIR"


def test_a_work_tree_that_git_can_not_read_is_a_warning_with_git_s_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    found = {
        "tree": WorkTree("0" * 40, {}),
        "none": NoTree("the project is not in a git repository", silent=True),
        "ignored": NoTree("the project is ignored by the repository around it"),
        "owner": NoTree(
            "detected dubious ownership in repository at '/p' (see git's setting safe.directory)"
        ),
    }
    probes = {}
    for name, tree in found.items():
        monkeypatch.setattr(guarded, "read_work_tree", lambda *_, tree=tree, **__: tree)
        probes[name] = machine.probe_git(tmp_path, env)

    assert [probe.warning for probe in probes.values()] == [False, False, True, True]
    assert "ignored by the repository" in probes["ignored"].text
    assert probes["owner"].hint == f"run: git config --global --add safe.directory {tmp_path}"


def test_without_a_temporary_folder_the_check_says_so_instead_of_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(guarded, "TemporaryDirectory", none)
    monkeypatch.setattr(process_tree, "TemporaryDirectory", none)

    git, kill = machine.probe_git(tmp_path, {"PATH": os.environ["PATH"]}), process_tree.probe_kill()

    assert git.warning
    assert kill.warning
    assert "No usable temporary directory" in git.text
    assert "TMPDIR" in kill.hint
