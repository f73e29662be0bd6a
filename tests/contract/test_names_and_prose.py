"""Names and prose, as far as a program can judge them: one name has one meaning, and sentences are plain."""

import ast
import importlib
import importlib.util
import re
from collections import defaultdict
from pathlib import Path

import pytest

from contract.repository import ROOT, files, place, python_files

CODE = list(python_files("protos", "server", "worker", "client"))
ALL = [*CODE, *python_files("tests", "bench", "scripts")]
# Worker and server each have their own values for the messages of the contract, under the contract's names.
CONTRACT_VALUES = {
    *("Task", "Role", "Usage", "Outcome", "OutcomeKind", "FailureClass"),
    *("DependencyResult", "SessionStart", "SessionEnd"),
    # The public names of the Python client, whose users see neither server nor worker.
    *("Swarm", "SwarmError"),
    *("WorkspaceKind", "LandingStyle", "RetryFrom", "SandboxKind", "NetworkAccess", "ResourceLimits"),
}
# A docstring begins with a verb or a noun phrase. These openings make the reader look for the noun.
OPENINGS = re.compile(r"(What|Whether|Who|Whose|Those|It|One|The same|That|These|All that)\b")
BANNED = re.compile(
    r"\b(anew|as ever|for ever|so many|told|tells)\b|(?<!so )\bthat one\b"
    r"|(?<!there )\b(?-i:is (?:no|none) [a-z]+)|\bIts one rule\b|\bThe rule:",
    re.IGNORECASE,
)
# Words that a text has to quote: a name of the wire, a message of another program, a test about the words.
QUOTES = re.compile(r"`[^`]*`|```.*?```", re.DOTALL)
# A method that is called like this has as many namesakes as there are queues, spans and readers.
METHODS = {"take", "begin", "end", "look", "feed", "tell", "hear", "put", "of"}
# Code in a string, which no tool for imports or types sees: `python -c`, a program of a test.
IMPORT_IN_A_STRING = re.compile(
    r"from ((?:swarm_worker|swarmd|swarmctl|amplifier_swarm|fakes|support)[\w.]*) import (\w+(?:, \w+)*)"
)


def docstrings(path: Path) -> list[tuple[int, str]]:
    """Returns the line and the text of each docstring of a file."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return [(getattr(node, "lineno", 1), text) for node in nodes if (text := ast.get_docstring(node))]


def prose(path: Path) -> list[tuple[int, str]]:
    """Returns the lines that people read: comments and docstrings of code, all text of a page."""
    lines = list(enumerate(path.read_text().splitlines(), 1))
    if path.suffix == ".md":
        return [(1, QUOTES.sub("", path.read_text()))]
    comments = [(number, line.partition("#")[2]) for number, line in lines if re.search(r"(^|\s)# ", line)]
    return [*comments, *docstrings(path)]


def test_a_class_name_is_used_once() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name not in CONTRACT_VALUES:
                found[node.name].append(place(path))

    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_a_docstring_opens_with_a_verb_or_a_noun() -> None:
    assert [
        (place(path), line, text.split("\n")[0])
        for path in ALL
        for line, text in docstrings(path)
        if OPENINGS.match(text)
    ] == []


def test_prose_is_free_of_phrases_that_need_a_second_reading() -> None:
    paths = [*CODE, *(page for page in files() if page.suffix == ".md")]

    assert [
        (place(path), line, found[0])
        for path in paths
        for line, text in prose(path)
        for found in BANNED.finditer(text)
    ] == []


def test_a_public_method_has_a_name_that_grep_finds() -> None:
    functions = [
        (place(path), node.lineno, node.name)
        for path in CODE
        for found in ast.walk(ast.parse(path.read_text()))
        if isinstance(found, ast.ClassDef)
        for node in found.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [found for found in functions if found[2] in METHODS] == []


@pytest.mark.slow
def test_code_in_strings_imports_what_exists() -> None:
    strings = [
        (place(path), node.value)
        for path in ALL
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    imports = {(where, *found) for where, text in strings for found in IMPORT_IN_A_STRING.findall(text)}

    missing = [
        (where, module, name)
        for where, module, names in imports
        for name in names.split(", ")
        if not hasattr(importlib.import_module(module), name)
        and not importlib.util.find_spec(f"{module}.{name}")
    ]
    assert imports
    assert missing == []


def test_modules_of_the_same_purpose_are_found_where_the_docs_say() -> None:
    """Every package that docs/architecture.md names exists."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`(engine|store|web)/(\w+)`", page)

    assert [name for top, name in named if not (ROOT / "server/swarmd" / top / name).exists()] == []
