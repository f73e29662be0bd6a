"""The texts that people read are true: --help, CONTRIBUTING, CHANGELOG, and the commands of pages, which are run."""

import ast
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from amplifier_swarm import __version__
from contract.repository import ROOT, files, place, pyproject
from support.programs import free_port
from support.standins import install
from swarmctl import main
from swarmctl.cli.registry import COMMANDS, load

BIN = Path(sys.executable).parent
DAEMONS = {"swarmd": "SWARMD_", "swarm-worker": "SWARM_WORKER_"}
# What all that dial a server share.
SHARED = {
    "SWARM_SERVER",
    "SWARM_TOKEN",
    "SWARM_TOKEN_FILE",
    "SWARM_TLS_CA",
    "SWARM_TLS_CA_FINGERPRINT",
    "SWARM_TLS_CERT",
    "SWARM_TLS_KEY",
}
# What every program has; no variable asks for help.
GIVEN = {"--help", "--version", "--install-completion", "--show-completion"}

SHELL = re.compile(r"(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?:sh|bash|console)\n(?P<script>.*?)```", re.DOTALL)
PAGE_TIMEOUT_S = 600
# The pages whose commands are run as they stand, each as one script.
RUN_PAGES = ("README.md", "docs/tutorial.md")


def page(name: str) -> str:
    return (ROOT / name).read_text()


def help_of(program: str) -> str:
    """Returns a daemon's --help, printed on a terminal that is wide enough for every sentence."""
    wide = {**os.environ, "COLUMNS": "1000"}
    return subprocess.run(
        [BIN / program, "--help"], env=wide, capture_output=True, text=True, check=True
    ).stdout


def flags_of(text: str) -> dict[str, str]:
    """Returns argparse's text for each flag: its name and all that follows."""
    parts = re.split(r"^  (?:-\w, )?(--[\w-]+)", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("program", DAEMONS)
def test_every_flag_of_a_daemon_has_help_and_names_its_variable(program: str) -> None:
    flags = flags_of(help_of(program))

    assert "--version" in flags
    for flag in set(flags) - GIVEN:
        text = flags[flag]
        described = re.search(r"\w.*\[\$(\w+)\]$", text.strip(), re.DOTALL)
        assert described, f"{program} {flag}: {text!r}"
        assert described[1] in SHARED or described[1].startswith(DAEMONS[program])


def paths(verb: str) -> list[tuple[str, ...]]:
    """The command lines of a verb: itself, or what its noun holds."""
    nested = getattr(load(COMMANDS[verb]), "commands", {})
    return [(verb, name) for name in nested] or [(verb,)]


def rows_of(help_text: str) -> dict[str, str]:
    """Returns swarmctl's table row for each of its own flags."""
    rows = re.findall(r"^│ (?:-\w, )?(--[\w-]+)(.*)│$", help_text, re.MULTILINE)
    return {flag: text for flag, text in rows if flag not in GIVEN}


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_flag_of_swarmctl_has_help_and_the_page_names_its_variables(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("NO_COLOR", "1")

    for path in paths(verb):
        assert main.run([*path, "--help"]) == 0
        text = capsys.readouterr().out
        rows = rows_of(text)
        assert "--server" in rows
        for flag, row in rows.items():
            assert re.search(r"  [A-Z]", row), f"swarmctl {' '.join(path)} {flag}: {row!r}"
        assert f"SWARMCTL_{verb}_FLAG".replace("-", "_").upper() in text


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_stands_in_the_docs(verb: str) -> None:
    text = page("README.md") + "".join(found.read_text() for found in files("docs") if found.suffix == ".md")

    for path in paths(verb):
        assert re.search(rf"swarmctl {' '.join(path)}\b|`{' '.join(path)}[ `]", text)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_says_in_a_sentence_what_it_does(verb: str) -> None:
    assert re.fullmatch(r"[A-Z].* .*\.", COMMANDS[verb].summary)


def dependencies() -> list[str]:
    content = pyproject()
    project = content["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *content["dependency-groups"].values(),
    ]
    return [Requirement(text).name for group in lists for text in group]


@pytest.mark.parametrize("name", dependencies())
def test_contributing_says_why_a_dependency_is_there(name: str) -> None:
    assert re.search(rf"^- .*`{re.escape(name)}`[^:]*: \w", page("CONTRIBUTING.md"), re.MULTILINE)


def test_contributing_names_no_dependency_that_is_gone() -> None:
    section = page("CONTRIBUTING.md").partition("## Dependencies")[2].partition("\n## ")[0]
    named = {
        name
        for line in section.splitlines()
        if line.startswith("- ")
        for name in re.findall(r"`([\w-]+)`", line.partition(": ")[0])
    }

    assert named == set(dependencies())


def test_contributing_is_read_in_one_go() -> None:
    assert len(page("CONTRIBUTING.md").splitlines()) <= 110


@pytest.mark.parametrize(
    ("name", "symbol"), re.findall(r"\| `([\w/]+\.py)` `([\w.]+)` \|$", page("CONTRIBUTING.md"), re.MULTILINE)
)
def test_contributing_says_where_a_symbol_is(name: str, symbol: str) -> None:
    body = ast.parse(page(name)).body
    for part in symbol.split("."):
        found = [node for node in body if part in _defined(node)]
        assert found
        body = getattr(found[0], "body", [])


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def test_contributing_has_a_table_of_places() -> None:
    assert len(re.findall(r"^\|.*\| `[\w/]+\.py` `[\w.]+` \|$", page("CONTRIBUTING.md"), re.MULTILINE)) >= 9


def test_the_layer_table_names_folders_that_exist() -> None:
    folders = re.findall(r"^\|[^|]*\| `([^`]+)` \|", page("docs/architecture.md"), re.MULTILINE)

    assert len(folders) >= 8
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []


def test_contributing_lists_every_suite() -> None:
    listed = set(re.findall(r"^\| `tests/(\w+)` \|", page("CONTRIBUTING.md"), re.MULTILINE))
    suites = {
        path.parent.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")
    }

    assert listed == suites


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_make_targets_that_a_page_names_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", page("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", page(name), re.MULTILINE))

    assert named
    assert named <= targets


def test_every_make_target_is_in_its_help() -> None:
    makefile = page("Makefile").replace("\\\n", " ")
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    explained = set(re.findall(r"^([a-z0-9-]+):.*## \w", page("Makefile"), re.MULTILINE))

    assert set(phony.split()) == explained


def test_the_changelog_knows_this_version() -> None:
    version = re.escape(__version__)

    assert re.search(rf"^## \[(Unreleased|{version})\]", page("CHANGELOG.md"), re.MULTILINE)


@pytest.mark.parametrize("path", [p for p in files() if p.suffix == ".md"], ids=place)
def test_a_link_leads_to_a_file(path: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_site_has_every_page_of_the_documentation() -> None:
    listed = set(re.findall(r"^docs/[\w-]+\.md$", page("scripts/site/index.md"), re.MULTILINE))

    assert listed == {place(path) for path in files("docs") if path.suffix == ".md"}


@pytest.mark.parametrize("name", RUN_PAGES)
def test_a_shell_block_is_tested_or_says_why_not(name: str) -> None:
    marks = [block["mark"] or "" for block in SHELL.finditer(page(name))]

    assert "test" in marks
    assert [mark for mark in marks if mark != "test" and not mark.startswith("no test: ")] == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's files without its history, as a newcomer has them."""
    root = tmp_path / "amplifier-swarm"
    for source in files():
        target = root / place(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return root


def newcomer(home: Path) -> dict[str, str]:
    """A newcomer's environment, with our programs and the stand-ins for Amplifier's on PATH.

    The set-up itself is not run again: for make its Python is `true`, its environment ours. (CI runs
    the real one, in a clean clone.)
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM", "MAKE"))}
    return {
        **inherited,
        "HOME": str(home),
        "ANTHROPIC_API_KEY": "none",
        "PATH": f"{BIN}:{install(home / 'standins')}:{os.environ['PATH']}",
        "MAKEFLAGS": f"PYTHON=true VENV={BIN.parent}",
    }


@pytest.mark.slow
@pytest.mark.timeout(PAGE_TIMEOUT_S)
@pytest.mark.parametrize("name", RUN_PAGES)
def test_the_commands_of_a_page_run(name: str, copy: Path, tmp_path: Path) -> None:
    blocks = [block["script"] for block in SHELL.finditer(page(name)) if block["mark"] == "test"]
    # A page names the default port; a test takes a free one.
    server = f"127.0.0.1:{free_port()}"
    script, log = "".join(blocks).replace("127.0.0.1:7433", server), tmp_path / "log"

    with log.open("w") as out:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=copy,
            env=newcomer(tmp_path) | {"SWARM_SERVER": server},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(PAGE_TIMEOUT_S - 30)
        finally:
            # What the page leaves running in the background ends with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)

    assert code == 0, log.read_text()[-3000:]


def test_the_state_diagram_is_the_one_that_the_table_makes() -> None:
    from swarmd.domain.lifecycle import diagram  # noqa: PLC0415

    drawn = re.search(r"<!-- diagram -->\n```mermaid\n(.*?)```", page("docs/architecture.md"), re.DOTALL)

    assert drawn
    assert drawn[1] == diagram()
