"""The command lines of Amplifier's programs, and the files written before their start."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from swarm_worker.domain.model import Task
from swarm_worker.domain.types import Role, SessionId
from swarm_worker.runners import validator_mode
from swarm_worker.runners.agent import OPTIONAL_OPTIONS, PROMPT_BYTES, AgentRunner, Engine, parse_engine
from swarm_worker.runners.base import SessionPlan
from swarm_worker.runners.cli import Cli, CliRunner, active_bundle

ENGINE = Engine("/bin/amplifier-agent", "0.14.1", "0.3.0")
# The id of the session of `plan` in the other program.
CLI_ID = "t-a1-builder-1-0123456789ab"
VERSION = '{"version":"0.14.1","protocolVersion":"0.3.0"}'


def plan(
    root: Path, role: Role = Role.BUILDER, *, prompt: str = "-do it", resumed: bool = False
) -> SessionPlan:
    name = SessionId(f"t-a1-{role}-1")
    return SessionPlan(name, role, Task("t", "{}"), prompt, root, root / "prompt.md", "0123456789ab", resumed)


def runner(root: Path, engine: Engine = ENGINE, **configs: Path) -> AgentRunner:
    by_role = {Role(role): path for role, path in configs.items()}
    return AgentRunner(engine, configs=by_role, env={"HOME": str(root / "home")}, cwd=root)


def test_d20_a_builder_is_called_as_the_engine_s_contract_wants_it(tmp_path: Path) -> None:
    argv = runner(tmp_path, builder=Path("/b.json")).argv(plan(tmp_path))

    assert argv == [
        "/bin/amplifier-agent", "run", "--session-id", "t-a1-builder-1", "--fresh", "--cwd", str(tmp_path),
        "--config", "/b.json", "--output", "json", "--protocol-version", "0.3.0", "--display", "ndjson",
        "--workspace", "swarm-0123456789ab", "-y", "--", "-do it",
    ]  # fmt: skip


def test_a_validator_has_its_own_configuration_and_mode(tmp_path: Path) -> None:
    argv = runner(tmp_path, builder=Path("/b.json"), validator=Path("/v.json")).argv(
        plan(tmp_path, Role.VALIDATOR, resumed=True)
    )

    assert argv[argv.index("--config") + 1] == "/v.json"
    assert argv[argv.index("--mode") + 1] == validator_mode.MODE
    assert "--resume" in argv
    assert "--fresh" not in argv


def test_before_the_swarm_has_a_name_the_workspace_has_a_plain_one(tmp_path: Path) -> None:
    unnamed = SessionPlan(SessionId("s"), Role.BUILDER, Task("t", "{}"), "p", tmp_path)

    argv = runner(tmp_path).argv(unnamed)

    assert argv[argv.index("--workspace") + 1] == "swarm"


def test_an_option_that_a_version_lacks_is_left_out(tmp_path: Path) -> None:
    engine = parse_engine("/x", version=VERSION, help_text="--session-id --output --display")

    argv = runner(tmp_path, engine).argv(plan(tmp_path, Role.VALIDATOR))

    assert "--display" in argv
    assert not {"--protocol-version", "--workspace", "--mode"} & set(argv)


def test_without_help_text_every_option_counts_as_supported() -> None:
    assert parse_engine("/x", version=VERSION, help_text="").options == frozenset(OPTIONAL_OPTIONS)


@pytest.mark.parametrize(
    ("version", "help_text", "said"),
    [
        ("amplifier-agent 0.14.1", "", "Expecting value"),
        ("[]", "", "no protocolVersion"),
        ('{"version": "0.1"}', "", "no protocolVersion"),
        (VERSION, "Usage: run [PROMPT] --output", "it has no --session-id"),
    ],
)
def test_a_program_that_is_not_amplifier_agent_is_an_error(version: str, help_text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_engine("/x", version=version, help_text=help_text)


def test_d17_a_long_prompt_is_read_from_its_file(tmp_path: Path) -> None:
    at_most = runner(tmp_path).argv(plan(tmp_path, prompt="x" * PROMPT_BYTES))[-1]
    too_long = runner(tmp_path).argv(plan(tmp_path, prompt="x" * (PROMPT_BYTES + 1)))[-1]

    assert at_most == "x" * PROMPT_BYTES
    assert str(tmp_path / "prompt.md") in too_long
    assert len(too_long) < 1000


def test_a_prompt_in_argv_has_no_nul_and_no_surrogate(tmp_path: Path) -> None:
    prompt = runner(tmp_path).argv(plan(tmp_path, prompt="a\0b\ud800c"))[-1]

    assert prompt == "a\ufffdb?c"
    assert runner(tmp_path).stdin(plan(tmp_path)) is None


def test_the_mode_file_is_written_for_validators_alone(tmp_path: Path) -> None:
    runner(tmp_path).prepare(plan(tmp_path))
    assert not (tmp_path / validator_mode.MODE_FILE).exists()

    runner(tmp_path).prepare(plan(tmp_path, Role.VALIDATOR))
    text = (tmp_path / validator_mode.MODE_FILE).read_text("utf-8")
    assert "default_action: block" in text
    assert "- bash\n" in text.partition("block:")[0]
    assert "- write_file" in text.partition("block:")[2]


def test_git_leaves_the_mode_file_alone_and_sees_other_modes(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    validator_mode.write_mode_file(tmp_path)
    (tmp_path / validator_mode.MODE_FILE.with_name("mine.md")).write_text("x")

    subprocess.run(["git", "-C", str(tmp_path), "add", "-A"], check=True)
    listed = subprocess.run(
        ["git", "-C", str(tmp_path), "ls-files"], check=True, capture_output=True, text=True
    ).stdout

    assert listed == ".amplifier/modes/mine.md\n"


def test_the_worker_s_mode_file_is_rewritten_and_the_user_s_is_kept(tmp_path: Path) -> None:
    place = tmp_path / validator_mode.MODE_FILE
    validator_mode.write_mode_file(tmp_path)
    ours = place.read_text("utf-8")
    place.write_text(ours.replace("- bash\n", ""), encoding="utf-8")
    validator_mode.write_mode_file(tmp_path)
    assert place.read_text("utf-8") == ours

    place.write_text("mine", encoding="utf-8")
    validator_mode.write_mode_file(tmp_path)
    assert place.read_text("utf-8") == "mine"


def test_2_4_only_a_session_with_a_transcript_is_resumed(tmp_path: Path) -> None:
    found = runner(tmp_path)
    assert not found.resumable(plan(tmp_path))

    folder = (
        tmp_path / "home" / ".amplifier-agent" / "state" / "workspaces" / "swarm-0123456789ab" / "sessions"
    )
    (folder / "t-a1-builder-1").mkdir(parents=True)
    (folder / "t-a1-builder-1" / "transcript.jsonl").touch()
    assert found.resumable(plan(tmp_path))

    moved = AgentRunner(
        ENGINE, configs={}, env={"AMPLIFIER_AGENT_HOME": str(tmp_path / "else")}, cwd=tmp_path
    )
    assert not moved.resumable(plan(tmp_path))


def kept(root: Path, session: str) -> Path:
    """Returns the folder in which `amplifier` keeps a session of the project."""
    slug = str(root.resolve()).replace("/", "-")
    return root / "home" / ".amplifier" / "projects" / slug / "sessions" / session


def cli(root: Path, *, takes_id: bool, bundle: str = "") -> CliRunner:
    return CliRunner(Cli("/bin/amplifier", takes_id), bundle=bundle, env={"HOME": str(root / "home")})


def test_d20_a_cli_with_an_option_for_the_id_gets_the_id(tmp_path: Path) -> None:
    found = cli(tmp_path, takes_id=True, bundle="team-bundle")
    found.prepare(plan(tmp_path))

    assert found.argv(plan(tmp_path)) == [
        "/bin/amplifier", "run", "-B", "team-bundle", "--mode", "single", "--output-format", "json",
        "--session-id", CLI_ID,
    ]  # fmt: skip
    assert found.argv(plan(tmp_path, resumed=True))[-2:] == ["--resume", CLI_ID]
    assert found.stdin(plan(tmp_path)) == b"-do it"
    assert not (tmp_path / "home").exists()


def test_1_3_a_cli_without_that_option_resumes_a_prepared_session(tmp_path: Path) -> None:
    found = cli(tmp_path, takes_id=False, bundle="mine")
    found.prepare(plan(tmp_path))

    folder = kept(tmp_path, CLI_ID)
    metadata = json.loads((folder / "metadata.json").read_text("utf-8"))
    assert metadata == {"session_id": CLI_ID, "bundle": "bundle:mine"}
    assert found.argv(plan(tmp_path))[-2:] == ["--resume", CLI_ID]
    assert found.progress_file(plan(tmp_path)) == folder / "events.jsonl"
    assert not found.resumable(plan(tmp_path))


def test_two_swarms_in_one_project_share_no_session(tmp_path: Path) -> None:
    mine, other = plan(tmp_path), replace(plan(tmp_path), swarm_id="fedcba987654")

    for found in (cli(tmp_path, takes_id=False), cli(tmp_path, takes_id=True)):
        assert found.backend_session(mine) != found.backend_session(other)
        assert found.progress_file(mine) != found.progress_file(other)
        assert found.argv(mine)[-1] == found.backend_session(mine)
    assert runner(tmp_path).argv(mine) != runner(tmp_path).argv(other)


@pytest.mark.parametrize("takes_id", [False, True])
def test_a_new_session_begins_without_an_older_one_s_transcript(tmp_path: Path, *, takes_id: bool) -> None:
    found, folder = cli(tmp_path, takes_id=takes_id), kept(tmp_path, CLI_ID)
    for text in ("first", "second"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "transcript.jsonl").write_text(text, "utf-8")
        found.prepare(plan(tmp_path))

    assert not found.resumable(plan(tmp_path))
    kept_texts = [kept(tmp_path, f"{CLI_ID}-old{n}") / "transcript.jsonl" for n in (1, 2)]
    assert [path.read_text("utf-8") for path in kept_texts] == ["first", "second"]


def test_a_further_turn_keeps_its_session(tmp_path: Path) -> None:
    found, folder = cli(tmp_path, takes_id=False), kept(tmp_path, CLI_ID)
    found.prepare(plan(tmp_path))
    (folder / "transcript.jsonl").touch()

    found.prepare(plan(tmp_path, resumed=True))

    assert found.resumable(plan(tmp_path))


@pytest.mark.parametrize(
    ("bundle", "agent", "offered"),
    [
        ("", "anchors:builder", True),
        ("", "anchors:zen-architect", False),
        ("", "git-ops", False),
        ("", "foundation:zen-architect", False),
        ("foundation", "foundation:zen-architect", True),
        ("foundation", "builder", False),
        ("git+https://example.org/team", "team:reviewer", False),
        ("team", "a careful reviewer", False),
    ],
)
def test_a_cli_session_has_the_agents_of_its_bundle(
    tmp_path: Path, bundle: str, agent: str, *, offered: bool
) -> None:
    assert cli(tmp_path, takes_id=False, bundle=bundle).offers_agent(agent, tmp_path) is offered


def test_amplifier_agent_has_its_own_agents_and_no_others(tmp_path: Path) -> None:
    assert runner(tmp_path).offers_agent("git-ops", tmp_path)
    assert not runner(tmp_path).offers_agent("foundation:zen-architect", tmp_path)


def test_the_user_s_own_bundle_is_kept_and_the_nearest_settings_win(tmp_path: Path) -> None:
    home, root = tmp_path / "home" / ".amplifier", tmp_path / "project"
    assert active_bundle(home, root) == ""

    home.mkdir(parents=True)
    (home / "settings.yaml").write_text("bundle: {active: far}\n", encoding="utf-8")
    assert active_bundle(home, root) == "far"

    (root / ".amplifier").mkdir(parents=True)
    (root / ".amplifier" / "settings.local.yaml").write_text(": broken [", encoding="utf-8")
    (root / ".amplifier" / "settings.yaml").write_text("bundle: {active: near}\n", encoding="utf-8")
    assert active_bundle(home, root) == "near"
