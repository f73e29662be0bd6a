"""JSON objects are found among any text, as `json` would read them, at a bounded cost."""

import json
import random

import pytest

from swarm_worker.output.json_objects import WINDOW_CHARS, objects, plain_text, scan

MEGABYTE = 1024 * 1024
# Each made an earlier reader run for minutes, or could make a simple one.
EXPENSIVE = {
    "keys without values": '{"',
    "keys that end with the line": '{"a\n',
    "deep objects": '{"a":',
    "long unfinished strings": '{"' + "a" * 1_500,
    "small objects": '{"a":1}',
}


def test_every_object_that_stands_by_itself_is_found() -> None:
    assert list(objects('noise {"a": 1}\n{\n  "b": {"c": 2}\n}\nbye')) == [{"a": 1}, {"b": {"c": 2}}]


@pytest.mark.parametrize("after", [",", "]", "}", '"'])
def test_an_object_inside_malformed_json_makes_all_of_them_doubtful(after: str) -> None:
    assert objects(f'{{"a": 1}}\n{{"b": oops {{"c": 2}} {after}') == []


@pytest.mark.parametrize("seed", range(20))
def test_objects_of_every_length_are_read_as_json_reads_them(seed: int) -> None:
    source = random.Random(seed)
    sizes = [source.randint(window - 60, window + 20) for window in WINDOW_CHARS for _ in range(10)]
    values: list[object] = [
        {"text": "x" * size, "last": source.choice((True, None, -1.5e-7))} for size in sizes
    ]
    values += [{"list": [{"n": n, "t": '\u00fc\\"{'} for n in range(source.randint(0, 200))]}]
    text = "\nand {then} ".join(json.dumps(value, ensure_ascii=source.random() < 0.5) for value in values)

    assert objects(text) == values


@pytest.mark.parametrize("size", [window + room for window in WINDOW_CHARS for room in (-30, -10, 1, 99)])
def test_the_place_of_an_error_does_not_depend_on_the_length_of_the_object(size: int) -> None:
    text = f'\n{{"a": "{"x" * size}", "b": oops}}' + "y" * 5_000

    [failure] = scan(text).failures

    assert (failure.start, text[failure.position : failure.position + 4]) == (1, "oops")


@pytest.mark.parametrize("piece", EXPENSIVE.values(), ids=EXPENSIVE.keys())
def test_a_megabyte_of_any_kind_is_read_or_given_up(piece: str) -> None:
    text = piece * (MEGABYTE // len(piece))

    found = scan(text)

    assert len(found.failures) + len(found.found) < MEGABYTE // 16
    assert found.gave_up or found.failures or found.found
    assert len(plain_text("\x1b]" * (MEGABYTE // 2))) <= MEGABYTE


def test_an_object_after_a_megabyte_of_braces_is_still_found() -> None:
    assert list(objects("{" * MEGABYTE + '\n{"a": 1}')) == [{"a": 1}]


def test_terminal_control_and_spinners_are_removed_and_lines_end_alike() -> None:
    assert plain_text('\ufeff\x1b]0;title\x07\x1b[1m{"a"\r\n\u280b x\r:1}\x1b[0m') == '{"a"\n x\n:1}'
