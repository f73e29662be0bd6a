"""The layers hold, files and functions stay small, and tests do not wait blindly."""

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from contract.repository import ROOT, files, place, python_files

CODE: Final = ("protos", "server", "worker", "client", "scripts", "bench")
FILE_LINES: Final = 300
TEST_FILE_LINES: Final = 500
MEDIAN_FILE_LINES: Final = 130
FUNCTION_LINES: Final = 40

# Each with the reason for which it reads better in one piece.
LONG_FUNCTIONS: Final[dict[str, str]] = {}

# Written apart, so that this file passes its own test.
FORBIDDEN: Final = {
    "a folder of one machine": "|".join(
        [r"(?<![\w.-])/" + "work/(main|shared)", "/" + "root/", "/" + "home/[a-z]", r"file:///\w"]
    ),
    "a registry's address": "|".join(
        [
            "pypi" + r"\.org",
            "python" + r"hosted\.",
            "registry" + r"\.npmjs",
            "npmjs" + r"\.(com|org)",
            "index-" + "url",
        ]
    ),
}


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions() -> set[str]:
    return {
        f"{place(path)}::{function.name}"
        for path in python_files(*CODE)
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES
    }


def test_imports_follow_the_layers(tmp_path: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [linter, "--no-logo", "--cache-dir", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    too_long = {place(path): lines(path) for path in python_files(*CODE) if lines(path) > FILE_LINES}
    tests = {place(path): lines(path) for path in python_files("tests") if lines(path) > TEST_FILE_LINES}

    assert too_long | tests == {}


def test_most_files_are_short() -> None:
    sizes = [lines(path) for path in python_files(*CODE) if path.name != "__init__.py"]

    assert statistics.median(sizes) <= MEDIAN_FILE_LINES


def test_a_function_fits_a_screen_or_says_why_not() -> None:
    assert long_functions() - set(LONG_FUNCTIONS) == set()


def test_no_excuse_outlives_its_function() -> None:
    assert set(LONG_FUNCTIONS) - long_functions() == set()


def blind_sleeps(tree: ast.AST, *, looping: bool = False) -> Iterator[int]:
    """The lines that sleep outside a loop: nothing there looks whether the wait is over."""
    for node in ast.iter_child_nodes(tree):
        inside = looping or isinstance(node, ast.While | ast.For | ast.AsyncFor)
        if not inside and isinstance(node, ast.Call) and called(node) == "sleep" and not is_zero(node):
            yield node.lineno
        yield from blind_sleeps(node, looping=inside and not isinstance(node, ast.FunctionDef))


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def is_zero(node: ast.Call) -> bool:
    """`asyncio.sleep(0)` gives way to other tasks and waits for nothing."""
    return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def test_no_test_sleeps_and_hopes() -> None:
    # In the simulation all time is virtual: to sleep there is to say how long something takes.
    blind = [
        f"{place(path)}:{line}"
        for path in python_files("tests")
        if not place(path).startswith("tests/sim/")
        for line in blind_sleeps(ast.parse(path.read_text()))
    ]

    assert blind == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("sleep(1)", [1]),
        ("async def f():\n  await asyncio.sleep(0.1)", [2]),
        ("while not done():\n  time.sleep(0.01)", []),
        ("await asyncio.sleep(0)", []),
        ("for _ in range(3):\n  def f():\n    sleep(1)", [3]),
    ],
)
def test_a_blind_sleep_is_seen(code: str, found: list[int]) -> None:
    assert list(blind_sleeps(ast.parse(code))) == found


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what].encode())
    found = [place(path) for path in files() if pattern.search(path.read_bytes())]

    assert found == []


def test_no_file_promises_to_be_finished_later() -> None:
    pattern = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|XX" + "X)" + r"\b")
    found = [place(path) for path in python_files() if pattern.search(path.read_text())]

    assert found == []
