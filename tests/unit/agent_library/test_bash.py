"""Our own bash, which replaces that of the library: its limits end neither the turn nor the session."""

import os

from support.library_child import LibraryChild
from support.programs import alive


def test_a_limit_above_that_of_the_library_is_followed(child: LibraryChild) -> None:
    child.declare(("bash", {"command": "echo here", "timeout": 600}))

    ended = child.run()

    assert ended.code == 0, ended.out
    assert child.states() == ["success"]
    assert ended.named("tool/completed")[0]["result"]["output"] == "here\n"


def test_a_command_that_runs_too_long_is_a_plain_failure(child: LibraryChild) -> None:
    child.declare(("bash", {"command": "echo begun; sleep 600", "timeout": 0.3}))

    ended = child.run()

    assert child.states() == ["success"]
    result = ended.named("tool/completed")[0]["result"]
    assert result["success"] is False
    assert "not finished after 0.3 s" in result["error"]["message"]
    assert "begun" in result["error"]["message"]


def test_wrong_arguments_are_a_failure_that_the_model_can_mend(child: LibraryChild) -> None:
    child.declare(("bash", {"timeout": 1}))

    ended = child.run()

    assert child.states() == ["success"]
    assert "'command' is missing" in ended.named("tool/completed")[0]["result"]["error"]["message"]


def test_a_failed_command_shows_its_code_and_its_output(child: LibraryChild) -> None:
    child.declare(("bash", {"command": "echo out; echo err >&2; exit 3"}))

    message = child.run().named("tool/completed")[0]["result"]["error"]["message"]

    assert message.split() == ["exit", "3", "out", "err"]


def test_what_a_command_leaves_in_the_background_ends_with_it(child: LibraryChild) -> None:
    child.declare(("bash", {"command": "sleep 600 & echo $!"}))

    ended = child.run()

    assert not alive(int(ended.named("tool/completed")[0]["result"]["output"]))


def test_long_output_is_cut_in_its_middle(child: LibraryChild) -> None:
    child.declare(("bash", {"command": "echo first; seq 200000; echo last"}))

    output = child.run().named("tool/completed")[0]["result"]["output"]

    assert output.startswith("first\n")
    assert len(output) < 5_000, "an event holds a part of it"


def test_a_command_sees_no_variable_that_the_library_would_refuse(child: LibraryChild) -> None:
    child.env = {
        "AMPLIFIER_AGENT_BIN": "/x",
        "AMPLIFIER_AGENT_MODEL": "m",
        "SHLVL": os.environ.get("SHLVL", "1"),
    }
    child.declare(("bash", {"command": "env | grep ^AMPLIFIER_AGENT_"}))

    ended = child.run()

    assert ended.named("tool/completed")[0]["result"]["output"] == "AMPLIFIER_AGENT_MODEL=m\n"
