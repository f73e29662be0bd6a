"""Logging: one way for our events and those of libraries, masked, and never an error for the caller."""

import json
import subprocess
import sys
import textwrap

import pytest


def _logged(body: str, style: str = "text", stderr: str = "") -> list[str]:
    """Runs a program that configures logging and then runs `body`; returns the lines on its stderr."""
    code = "import logging, os, structlog\nfrom amplifier_swarm import logs\n"
    code += f"logs.configure({style!r}, 'info')\nlog = structlog.get_logger()\n" + textwrap.dedent(body)
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {stderr}', sys.executable, code],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stderr.splitlines()


def test_an_event_is_a_line_for_people_or_for_machines() -> None:
    [line] = _logged("log.info('task begun', task='a')")
    assert "task begun" in line
    assert "task=a" in line

    [line] = _logged("log.warning('task begun', task='a')", "json")
    assert json.loads(line) | {"timestamp": ""} == {
        "event": "task begun", "task": "a", "level": "warning", "timestamp": "",
    }  # fmt: skip


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_value_that_can_not_be_shown_is_no_error_for_the_caller(style: str) -> None:
    lines = _logged(
        """
        class Odd:
            def __repr__(self):
                raise KeyError("a defect")
        log.info("one", odd=Odd())
        log.info("two")
        """,
        style,
    )

    assert lines[0] == "a log line could not be made: KeyError"
    assert "two" in lines[1]


def test_the_warnings_of_libraries_take_the_same_way_without_secrets() -> None:
    [line] = _logged(
        "logging.getLogger('asyncio').error('token=%s', 'abcdefghijkl'); logging.info('not a warning')",
        "json",
    )

    found = json.loads(line)
    assert (found["level"], found["logger"], found["event"]) == ("error", "asyncio", "token=[secret]")


def test_a_library_s_wrong_format_is_no_error() -> None:
    assert _logged("logging.getLogger('lib').warning('%d', 'x')") == ["a log line of lib could not be made"]


def test_the_note_about_lost_lines_has_the_form_of_the_log() -> None:
    [line] = _logged(
        """
        from amplifier_swarm.standard_streams import STDERR, sink
        write = os.write
        def full(fd, data):
            raise OSError(28, "no space")
        os.write = full
        log.info("lost")
        assert sink(STDERR).flush(10)
        os.write = write
        log.info("kept")
        """,
        "json",
    )[1:]

    found = json.loads(line)
    assert (found["level"], found["lines"]) == ("warning", 1)
    assert found["event"] == "log lines were dropped: stderr could not be written"
