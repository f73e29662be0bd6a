"""The values of `--notify`: addresses, filters and files; no error shows an address."""

from pathlib import Path

import pytest

from amplifier_swarm.exits import ExitCode, ProgramExit
from swarmd.notify.targets import Topic, read_targets

SECRET = "T0KEN/s3cret"


def test_an_address_without_a_filter_gets_every_topic() -> None:
    whole, some = read_targets([f"slack://{SECRET}/#ops", "json://h/a#b#events=failed,stop"])

    assert (whole.number, whole.url, whole.topics) == (1, f"slack://{SECRET}/#ops", frozenset(Topic))
    wanted = frozenset({Topic.FAILED, Topic.STOP})
    assert (some.number, some.url, some.topics) == (2, "json://h/a#b", wanted)


def test_a_file_holds_an_address_a_line(tmp_path: Path) -> None:
    file = tmp_path / "notify"
    file.write_text("# on call\njson://a\n\n  json://b#events=finished \n")

    assert [target.url for target in read_targets([f"@{file}", "json://c"])] == [
        "json://a",
        "json://b",
        "json://c",
    ]


def test_a_changed_filter_keeps_the_position() -> None:
    [one] = read_targets(["json://a"])
    [other] = read_targets(["json://a#events=stop"])

    assert one.reader == other.reader
    assert SECRET not in read_targets([f"json://{SECRET}"])[0].reader


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (
            [f"json://{SECRET}#events=failed,nope"],
            f"swarmd: --notify 1: 'nope' is not an event; known are {', '.join(Topic)}",
        ),
        (
            [f"json://{SECRET}", f"json://{SECRET}#events=stop"],
            "swarmd: --notify 1 is given twice; name all its events in one",
        ),
        (["@nowhere"], "swarmd: --notify: can't read nowhere: No such file or directory; check the path"),
    ],
)
def test_a_wrong_value_is_one_line_without_the_address(
    texts: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ProgramExit) as caught:
        read_targets(texts)

    assert (caught.value.code, caught.value.line("swarmd")) == (ExitCode.USAGE, line)
