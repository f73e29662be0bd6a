"""Builds the documentation site into site/: the pages of the repository, the programs' own --help, and the protos.

A link or an anchor that leads nowhere fails the build. Neither the build nor the site needs a network.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from swarmctl import main as swarmctl
from swarmctl.cli.registry import COMMANDS, load

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = ROOT / ".tools" / "docs"
BIN: Final = Path(sys.executable).parent
DAEMONS: Final = ("swarmd", "swarm-worker", "swarm-operator")
SITE: Final = ROOT / "scripts" / "site"
# Pages in this folder are made here; all others are files of the repository.
MADE: Final = "reference"
_LINK: Final = re.compile(r"\[(?P<text>[^\]\[]*)\]\((?!\w+:|#)(?P<place>[^)#\s]+)[^)]*\)")


def gather(into: Path) -> None:
    """Copies each page of the index, and the files that are no pages and to which a page links."""
    into.mkdir(parents=True)
    shutil.copyfile(SITE / "index.md", into / "index.md")
    for place in pages():
        if not place.startswith(f"{MADE}/"):
            source = ROOT / place
            text = source.read_text()
            _place(source, into).write_text(_without_far_links(text, source.parent))
            for link in _LINK.finditer(text):
                linked = (source.parent / link["place"]).resolve()
                if linked.is_file() and linked.suffix != ".md":
                    shutil.copyfile(linked, _place(linked, into))


def pages() -> Sequence[str]:
    """Returns the places of all pages of the index."""
    return re.findall(r"^[\w./-]+\.md$", (SITE / "index.md").read_text(), re.MULTILINE)


def write_reference(into: Path) -> None:
    """Writes the pages that are made from the programs and the protos."""
    into.mkdir(parents=True)
    os.environ.update(COLUMNS="100", NO_COLOR="1", TERM="dumb")
    (into / "swarmctl.md").write_text("# Flags of swarmctl\n" + "".join(_helps_of_swarmctl()))
    for program in DAEMONS:
        said = _output(BIN / program, "--help")
        (into / f"{program}.md").write_text(f"# Flags of {program}\n\n```text\n{said}```\n")
    (into / "grpc.md").write_text("# gRPC\n" + "".join(_services()))


def _without_far_links(text: str, folder: Path) -> str:
    """Returns the page with the names of files in place of links to what the site does not have."""
    known = {(ROOT / place).resolve() for place in pages()}

    def shown(link: re.Match[str]) -> str:
        target = (folder / link["place"]).resolve()
        if target in known or (target.is_file() and target.suffix != ".md") or not target.exists():
            return link[0]
        return f"{link['text']} (`{target.relative_to(ROOT)}`)"

    return _LINK.sub(shown, text)


def _place(source: Path, into: Path) -> Path:
    """Returns where a file of the repository stands among the pages, in a folder that exists."""
    target = into / source.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _output(*argv: str | Path) -> str:
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _helps_of_swarmctl() -> Iterator[str]:
    for name in COMMANDS:
        nested = getattr(load(COMMANDS[name]), "commands", {})
        yield f"\n## {name}\n" + _help_of_swarmctl(name)
        for sub in nested:
            yield f"\n### {name} {sub}\n" + _help_of_swarmctl(name, sub)


def _help_of_swarmctl(*command: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        swarmctl.run([*command, "--help"])
    lines = [line.rstrip() for line in said.getvalue().strip().splitlines()]
    return "\n```text\n" + "\n".join(lines) + "\n```\n"


def _services() -> Iterator[str]:
    """Yields our own services with their comments, then the messages and enums."""
    image = json.loads(_output(BIN / "buf", "build", "-o", "-#format=json"))
    files = [file for file in image["file"] if file["package"].startswith("amplifier_swarm")]
    for file in files:
        comments = _comments(file)
        for number, service in enumerate(file.get("service", ())):
            yield f"\n## {service['name']}\n\n{comments.get((6, number), '')}\n"
            for index, method in enumerate(service["method"]):
                said = comments.get((6, number, 2, index), "")
                yield f"\n### {service['name']}.{method['name']}\n\n{_signature(method)}\n\n{said}\n"
    for file in files:
        comments = _comments(file)
        for number, message in enumerate(file.get("messageType", ())):
            yield _message(message, comments, (4, number))
        for number, enum in enumerate(file.get("enumType", ())):
            rows = [
                (value["name"], str(value.get("number", 0)), comments.get((5, number, 2, index), ""))
                for index, value in enumerate(enum["value"])
            ]
            yield f"\n### {enum['name']}\n\n{comments.get((5, number), '')}\n\n" + _table("value", rows)


def _message(
    message: Mapping[str, Any], comments: Mapping[tuple[int, ...], str], path: tuple[int, ...]
) -> str:
    rows = [
        (field["name"], _type(field), comments.get((*path, 2, index), ""))
        for index, field in enumerate(message.get("field", ()))
    ]
    about = f"\n### {message['name']}\n\n{comments.get(path, '')}\n\n"
    return about + (_table("field", rows) if rows else "")


def _table(first: str, rows: Sequence[tuple[str, str, str]]) -> str:
    lines = [f"| {first} | | meaning |", "|---|---|---|"]
    lines += [
        f"| `{name}` | `{kind}` | {' '.join(said.split()).replace('|', chr(92) + '|')} |"
        for name, kind, said in rows
    ]
    return "\n".join(lines) + "\n"


def _type(field: Mapping[str, Any]) -> str:
    name = field.get("typeName", "").rpartition(".")[2] or field["type"].removeprefix("TYPE_").lower()
    return f"repeated {name}" if field["label"] == "LABEL_REPEATED" else name


def _signature(method: Mapping[str, Any]) -> str:
    sides = []
    for side, streamed in (("inputType", "clientStreaming"), ("outputType", "serverStreaming")):
        name = method[side].rpartition(".")[2]
        sides.append(f"stream {name}" if method.get(streamed) else name)
    return f"`{sides[0]}` → `{sides[1]}`"


def _comments(file: Mapping[str, Any]) -> Mapping[tuple[int, ...], str]:
    """Returns the comments of a file by the path of what each of them describes."""
    locations = file["sourceCodeInfo"]["location"]
    return {
        tuple(each.get("path", ())): each["leadingComments"].strip().replace("\n ", "\n")
        for each in locations
        if "leadingComments" in each
    }


if __name__ == "__main__":
    shutil.rmtree(PAGES, ignore_errors=True)
    gather(PAGES)
    write_reference(PAGES / MADE)
    build: list[str | Path] = [
        BIN / "sphinx-build",
        "-q",
        "-E",
        "-W",
        "--keep-going",
        "-c",
        SITE,
        PAGES,
        ROOT / "site",
    ]
    raise SystemExit(subprocess.run(build, cwd=ROOT, check=False).returncode)
