"""The stand-ins play the rehearsal of the task, or a default script from its definition."""

import json

from fakes.place import Place

READ = {"tool": "read_file", "arguments": {"path": "a.txt"}}
FAILS = {"tool": "bash", "arguments": {"command": "echo no space; exit 3"}}


def _write(content: str) -> dict[str, object]:
    return {
        "calls": [{"tool": "write_file", "arguments": {"path": "a.txt", "content": content}}],
        "reply": content,
    }


def _last_line(reply: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(reply.splitlines()[-1])
    return found


def test_each_attempt_has_its_script_and_later_attempts_use_the_last(place: Place) -> None:
    replies = []
    for attempt in (1, 2, 7):
        place.task(attempt=attempt, rehearsal={"builder": [_write("one"), _write("two")]})
        replies.append(place.turn().envelope["reply"])

    assert replies == ["one", "two", "two"]
    assert (place.project / "a.txt").read_text() == "two"


def test_without_a_rehearsal_a_builder_writes_the_declared_files(place: Place) -> None:
    place.task(files=["src/a.py", "notes/"])

    reply = place.turn().envelope["reply"]

    assert _last_line(reply)["files_created"] == ["notes/STANDIN.md", "src/a.py"]
    assert (place.project / "src" / "a.py").exists()


def test_without_a_rehearsal_a_validator_passes_what_it_can_read(place: Place) -> None:
    (place.project / "a.txt").touch()
    place.task("validator", files=["a.txt"])
    passed = _last_line(place.turn().envelope["reply"])
    place.task("validator", files=["a.txt", "missing.txt"])
    failed = _last_line(place.turn().envelope["reply"])

    assert (passed["verdict"], failed["verdict"]) == ("PASS", "FAIL")
    assert "missing.txt" in json.dumps(failed["critical_issues"])


def test_a_failed_call_ends_the_script_and_the_answer_reports_it(place: Place) -> None:
    script = {"calls": [FAILS, READ], "reply": "All is well."}
    place.task(rehearsal={"builder": [script]})

    done = place.turn()

    result = _last_line(done.envelope["reply"])
    assert (done.code, result["status"]) == (0, "blocked")
    assert "no space" in json.dumps(result["blockers"])
    assert [tool["name"] for tool in done.named("tool/completed")] == ["bash"]


def test_a_verdict_that_expects_the_failure_is_kept_and_the_call_is_added(place: Place) -> None:
    expected = '{"verdict": "FAIL", "summary": "as expected", "critical_issues": [{"issue": "first"}]}'
    place.task("validator", rehearsal={"validator": [{"calls": [FAILS], "reply": expected}]})

    verdict = json.loads(place.turn().envelope["reply"])

    assert verdict["summary"] == "as expected"
    assert [issue["issue"].split(":")[0] for issue in verdict["critical_issues"]] == ["first", "bash failed"]
