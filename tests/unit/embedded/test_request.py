"""A wrong call is refused before anything runs, with an error that the caller can act on."""

import io
import json
from pathlib import Path

import pytest

from swarm_worker.embedded.request import Refusal, Request, read_request
from swarm_worker.embedded.task import EmbeddedRole


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "task.json"
    scripts = [{"reply": "first"}, {"reply": "second"}]
    file.write_text(json.dumps({"task_id": "t", "rehearsal": {"validator": scripts}}))
    return {"SWARM_TASK_FILE": str(file), "SWARM_ROLE": "validator", "SWARM_ATTEMPT": "2"}


def read(
    folder: Path, environ: dict[str, str], *more: str, stdin: bytes = b"hello", session_id: str = "s-1"
) -> Request:
    argv = ["run", "--session-id", session_id, "--fresh", "--cwd", str(folder)]
    return read_request([*argv, "--output", "json", "--display", "ndjson", *more], environ, io.BytesIO(stdin))


def test_the_prompt_comes_from_stdin(tmp_path: Path, environ: dict[str, str]) -> None:
    request = read(tmp_path, environ, stdin="grün \ud83d".encode("utf-8", "surrogatepass"))

    assert request.prompt.startswith("grün ")
    assert request.prompt.isprintable()
    assert request.role is EmbeddedRole.VALIDATOR
    assert request.script.reply == "second"
    assert request.mode is None


def test_the_prompt_may_follow_two_dashes(tmp_path: Path, environ: dict[str, str]) -> None:
    request = read(tmp_path, environ, "--mode", "validate", "--", "--do it", stdin=b"")

    assert request.prompt == "--do it"
    assert request.mode == "validate"


def test_a_link_to_the_work_folder_is_resolved(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert read(tmp_path / "link", environ).root == tmp_path / "real"


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"SWARM_TASK_FILE": ""}, "config_unreadable", "SWARM_TASK_FILE is not set"),
        ({"SWARM_TASK_FILE": "no/such.json"}, "config_unreadable", "No such file"),
        ({"SWARM_TASK_FILE": "/dev/null"}, "config_invalid_type", "not valid JSON"),
        ({"SWARM_ROLE": "judge"}, "config_invalid_type", "SWARM_ROLE"),
        ({"SWARM_ATTEMPT": "0"}, "config_invalid_type", "SWARM_ATTEMPT"),
        ({"SWARM_ATTEMPT": "²"}, "config_invalid_type", "SWARM_ATTEMPT"),
    ],
)
def test_a_wrong_environment_is_refused(
    tmp_path: Path, environ: dict[str, str], changed: dict[str, str], code: str, words: str
) -> None:
    with pytest.raises(Refusal, match=words) as refusal:
        read(tmp_path, environ | changed)

    assert refusal.value.fault.code == code
    assert refusal.value.fault.exit_code == 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--mode", "fly"], "argv_mode_unknown"),
        (["--protocol-version", "9"], "protocol_version_mismatch"),
        (["--cwd", "no/such/folder"], "argv_path_unreadable"),
        (["--session-id", "../../esc"], "invalid_session"),
        (["--session-id", "a_b"], "invalid_session"),
    ],
)
def test_wrong_flags_are_refused_with_the_code_of_amplifier_agent(
    tmp_path: Path, environ: dict[str, str], more: list[str], code: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        read(tmp_path, environ, *more)

    assert refusal.value.fault.code == code


def test_an_empty_prompt_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refusal:
        read(tmp_path, environ, stdin=b" \n")

    assert refusal.value.fault.code == "prompt_required"


@pytest.mark.parametrize("more", [["--resume"], ["--yolo"], ["--output", "text"], ["a", "b"]])
def test_invalid_argv_exits_with_2(
    tmp_path: Path, environ: dict[str, str], more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(tmp_path, environ, *more)

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ")
