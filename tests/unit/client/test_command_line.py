"""The command line itself: options before and after the command, help, and failures in one line."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from amplifier_swarm import __version__
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmResponse, ListTasksResponse, Role
from amplifier_swarm.v1.session_pb2 import SessionRole
from amplifier_swarm.v1.task_pb2 import Task, TaskStatus
from amplifier_swarm.vocabulary import StatusName
from support.operator import FakeOperator
from swarmctl import main, text_format
from swarmctl.cli.examples import EXAMPLES
from swarmctl.cli.registry import BROKEN_PIPE, COMMANDS, ORDERS, load
from swarmctl.commands import logs, token
from unit.client.conftest import Ctl

HEAVY = ("grpc", "google.protobuf", "yaml", "rich", "textual")


def loaded(*arguments: str) -> set[str]:
    """Returns the slow packages that a command line loads."""
    code = (
        "import sys; from swarmctl import main; main.run(sys.argv[1:]);"
        f"print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_version_is_one_line(alone: Ctl) -> None:
    result = alone("--version")

    assert (result.code, result.out, result.err) == (0, f"swarmctl {__version__}\n", "")


@pytest.mark.slow
def test_neither_version_nor_help_loads_what_only_commands_need() -> None:
    assert loaded("--version") == set()
    assert loaded("--help") <= {"rich"}


def test_help_shows_the_commands_in_their_groups(alone: Ctl) -> None:
    result = alone("--help")

    assert result.code == 0
    for verb in COMMANDS.values():
        assert f" {verb.name} " in result.out
        assert verb.panel in result.out


def test_without_arguments_it_prints_its_help(alone: Ctl) -> None:
    assert alone() == alone("--help")


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_is_a_command_line_that_is_understood(path: str) -> None:
    for line in EXAMPLES[path]:
        words = shlex.split(line.split(" | ")[-1])
        verb = load(COMMANDS[words[1]])
        assert " ".join(words[1:]).startswith(path)
        with verb.make_context(words[1], words[2:]) as context:
            assert context.command is verb


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_help_page_has_examples_and_no_words_of_its_makers(
    alone: Ctl, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    page = alone("list", "--help").out

    assert "swarmctl list --status in_progress" in page
    assert "<bool>" not in page
    assert "[env var" not in page
    assert " ".join(page.split()).count("SWARMCTL_LIST_FLAG") == 1
    assert max(map(len, page.splitlines())) <= width


def paths() -> list[str]:
    """Returns all commands, each with the noun before it."""
    found = []
    for name in COMMANDS:
        nested = getattr(load(COMMANDS[name]), "commands", {})
        found += [name, *(f"{name} {inner}" for inner in nested)]
    return found


def test_every_command_has_examples() -> None:
    assert [path for path in paths() if not EXAMPLES.get(path)] == []


@pytest.mark.parametrize("path", sorted(ORDERS))
def test_every_order_takes_the_reason_for_which_it_is_given(alone: Ctl, path: str) -> None:
    assert " --cause " in alone(*path.split(), "--help").out


def test_a_command_is_an_order_or_is_known_to_change_nothing_of_the_swarm() -> None:
    reads = {
        "run", "init", "validate", "schema", "plan", "export", "convert", "status", "list", "show", "diff",
        "artifacts", "get", "mcp", "workers", "blocked", "inbox", "explain", "watch", "events", "logs", "dashboard",
        "doctor", "workspaces", "backup", "ping", "version", "worker-config", "slurm", "slurm submit",
        # Tokens are no part of the events.
        "token", "token create", "token list", "token revoke",
    }  # fmt: skip

    assert set(paths()) - ORDERS - reads == set()


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_and_every_option_has_help(verb: str) -> None:
    command = load(COMMANDS[verb])
    commands = [*getattr(command, "commands", {"": command}).values()]

    for found in commands:
        assert found.help
        # The last parameter is --help, which click adds itself.
        assert all(parameter.help for parameter in found.params)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--no-color"], "missing command; see swarmctl --help"),
        (
            ["list", "--status", "running"],
            "invalid value for '--status': 'running'. Did you mean 'in_progress'?; see swarmctl list --help",
        ),
        (
            ["list", "--status", "faild"],
            "invalid value for '--status': 'faild'. Did you mean 'failed'?; see swarmctl list --help",
        ),
        (["show", "\udcff"], "not valid UTF-8: \\udcff; correct the argument"),
        (["kil"], "no such command 'kil'. Did you mean 'kill'?; see swarmctl --help"),
        (["kill"], "missing argument 'TASK…'; see swarmctl kill --help"),
        (["status", "--foo"], "no such option: --foo; see swarmctl status --help"),
        (["token"], "missing command; see swarmctl token --help"),
        (["depend", "a"], "missing option '--on'; see swarmctl depend --help"),
        (["retry"], "no task given; name tasks, or say --failed"),
        (["drain"], "give one worker, or --all; `swarmctl workers` shows the names"),
        (["drain", "w", "--all"], "give one worker, or --all; `swarmctl workers` shows the names"),
        (["--server", "x", "status"], "--server 'x' is not a HOST:PORT address; for example 127.0.0.1:7433"),
        (
            ["status", "--server", "http://x:1"],
            "--server 'http://x:1' is not a HOST:PORT address; leave out the scheme, for example 127.0.0.1:7433",
        ),
        (
            ["status", "--server", "a:99999"],
            "--server 'a:99999' is not a HOST:PORT address; for example 127.0.0.1:7433",
        ),
        (
            ["status", "--tls-ca", "nowhere"],
            "can't read nowhere: No such file or directory; check the --tls flags",
        ),
        (["import", "nowhere"], "can't read nowhere: No such file or directory; check the path"),
        (["run", "nowhere"], "can't read nowhere: No such file or directory; check the path"),
        (
            ["run", "plan.yaml", "--project-root", "nowhere"],
            "nowhere is not a directory; create it or pass another --project-root",
        ),
        (
            ["run", "plan.yaml", "--server", "a:1"],
            (
                "run starts a server of its own and takes no --server; to use a server that runs, "
                "`swarmctl import FILE` and `swarmctl watch`"
            ),
        ),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(alone: Ctl, arguments: list[str], line: str) -> None:
    result = alone(*arguments)

    assert (result.code, result.out, result.err) == (2, "", f"swarmctl: {line}\n")


@pytest.mark.parametrize(
    "arguments", [["list", "--limit", "x"], ["list", "--limit", "-1"], ["list", "-o", "xml"]]
)
def test_a_wrong_value_is_one_line_too(alone: Ctl, arguments: list[str]) -> None:
    result = alone(*arguments)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("swarmctl: invalid value for '--")
    assert result.err.endswith("; see swarmctl list --help\n")
    assert result.err.count("\n") == 1


def test_options_are_taken_before_and_after_the_command(
    alone: Ctl, operator: FakeOperator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.answers["GetSwarm"] = GetSwarmResponse()
    monkeypatch.setenv("SWARM_SERVER", "127.0.0.1:1")

    before = alone("--server", operator.address, "-o", "json", "status")
    after = alone("status", "-o", "json", "--server", operator.address)
    nearer = alone(
        "--server", "127.0.0.1:2", "-o", "yaml", "status", f"--server={operator.address}", "-ojson"
    )

    assert before.code == 0
    assert before == after == nearer


def test_a_variable_stands_in_for_an_option(
    ctl: Ctl, operator: FakeOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator.answers["ListTasks"] = ListTasksResponse()
    monkeypatch.setenv("SWARMCTL_OUTPUT", "json")
    monkeypatch.setenv("SWARMCTL_LIST_PHASE", "design")

    assert ctl("list").out == "[]\n"
    assert operator.asked("ListTasks")[0].phase == "design"
    assert ctl("list", "-o", "yaml").out == "[]\n"


def test_the_token_comes_from_a_file_if_one_is_named(
    ctl: Ctl, operator: FakeOperator, tmp_path: Path
) -> None:
    operator.answers["GetSwarm"] = GetSwarmResponse()
    path = tmp_path / "token"
    path.write_text("another")
    path.chmod(0o600)

    result = ctl("--token-file", str(path), "status")

    assert (result.code, result.out) == (6, "")
    assert result.err == (
        "swarmctl: unknown token; is it the token of this server? give --token-file or SWARM_TOKEN\n"
    )


def test_a_token_file_that_others_may_read_is_refused(ctl: Ctl, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("x")
    path.chmod(0o644)

    result = ctl("--token-file", str(path), "status")

    assert result.code == 6
    assert result.err == (
        f"swarmctl: the token file {path} may be read by others (mode 0644); chmod 600 {path},"
        " or give the token in the variable SWARM_TOKEN\n"
    )


def test_no_token_at_all_says_where_it_was_looked_for(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARM_TOKEN")

    result = ctl("status")

    assert result.code == 6
    assert result.err.startswith("swarmctl: no token: neither --token-file nor SWARM_TOKEN is set")


@pytest.mark.parametrize("token", ["tök", "a\x01b"])
def test_an_invalid_token_is_not_shown(ctl: Ctl, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("SWARM_TOKEN", token)

    result = ctl("status")

    assert (result.code, result.err) == (
        6,
        (
            "swarmctl: the variable SWARM_TOKEN does not hold a token: it has a blank, or a character that is not "
            "ASCII; write the token alone into it\n"
        ),
    )


def test_ctrl_c_ends_quietly(alone: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmctl.commands.status.run", _interrupted)

    assert alone("status") == type(alone("--version"))(130, "", "")


def _interrupted(ctl: object) -> None:
    raise KeyboardInterrupt


def test_a_fault_of_our_own_is_no_traceback(alone: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmctl.commands.status.run", _broken)

    result = alone("status")

    assert result.code == 1
    assert result.err == ("swarmctl: a fault of this program: KeyError: 'x'; SWARMCTL_DEBUG=1 shows where\n")


def _broken(ctl: object) -> None:
    raise KeyError("x")


@pytest.mark.slow
def test_a_reader_that_goes_away_gets_no_complaint(operator: FakeOperator, tmp_path: Path) -> None:
    operator.answers["ListTasks"] = ListTasksResponse(tasks=[Task(task_id=f"t{i}") for i in range(10_000)])
    environment = {**os.environ, "SWARM_SERVER": operator.address}
    swarmctl = Path(sys.executable).with_name("swarmctl")

    with subprocess.Popen(
        [swarmctl, "list", "--limit", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert (process.returncode, errors) == (BROKEN_PIPE, b"")


def test_the_words_of_options_are_those_of_the_contract() -> None:
    assert list(StatusName) == list(text_format.words_of(TaskStatus))
    assert set(token.RoleWord) == set(text_format.words_of(Role))
    assert list(logs.SessionRoleWord) == list(text_format.words_of(SessionRole))


def test_typer_errors_are_recognised_by_their_ancestor() -> None:
    assert issubclass(typer.BadParameter, main._COMMAND_LINE_ERROR)
