"""Mutations of task files, good and bad, from a seed.

Invariant: a mutated file depends on its seed and its number alone, so that it can be reproduced.
"""

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

from amplifier_swarm.plan.fields import FIELDS
from support.programs import ROOT
from unit.client.test_plan_faults import CASES

# Longer seeds are bombs, which the unit tests have already.
MAX_SEED_CHARS: Final = 3_000
# One file in WHOLE_ONE_IN is a whole example; the others are pieces.
WHOLE_ONE_IN: Final = 40

_NASTY: Final = (
    "yes", "~", "null", ".nan", "-.inf", ".inf", "1e999", "0x_", "._", "0b", "0o9", "1_000", "12:30:45", "190:20:30",
    "2026-01-26", "2026-99-99", "2001-12-14t21:59:43.10-05:00", "9" * 400, "-" + "9" * 30, str(2**63), str(-(2**63)),
    "&a", "*a", "<<: {a: b}", "!!python/object/apply:os.system [id]", "!!binary aGk=", "!!set {a}", "!t x", "? [a]",
    "---", "...", "%YAML 9.9", "%TAG ! x", "|", ">", "|+9", ">-", '"\\ud800"', '"\\U00110000"', '"\\0"',
    '"\\x1b[31m"', "'", '"', "[", "]", "{", "}", ",", "#", "- ", ": ", "\t", "@x", "`x", "=", "{a: {b: [c]}}",
    "\u202e", "\u200b", "\ufeff", "\x85", "\u2028", "\U0001f680", "é", "\x00", "\x07", "\x1b", "\x7f", "\x9f",
    "[" * 25, "- " * 25, "{a: " * 25, "../../etc/passwd", "/etc/x", "~root", "</textarea><script>", "{{7*7}}",
    "a" * 200, "x" * 5_000, "-rf", "con", "A/b", "", " ",
)  # fmt: skip
_KEYS: Final = (
    *FIELDS, "depends_on", "depend", "Id", "ID", "task", "tasks", "defaults", "version", "summary", "<<", "builder",
    "calls", "reply", "bash", "concurrency", "",
)  # fmt: skip

# The examples have no such fields.
_WORKSPACES: Final = """\
setup: ["npm ci"]
keep: [node_modules]
landing: squash
concurrency: {db: 2, gpu: 1}
defaults:
  workspace: clone
tasks:
  - id: a
    exclusive: [db, gpu]
    artifacts: ["shots/*.png"]
    landing_checks: ["make test"]
    changes: none
    retry_from: base
    sandbox: bwrap
    network: none
    limits: {memory: 4G, cpus: 1.5, pids: 512}
    land: false
"""
Lines = list[str]


def seeds() -> Sequence[str]:
    """Returns pieces of the examples with a few tasks each, and every bad file of the unit tests."""
    pieces: list[str] = []
    for path in sorted((ROOT / "examples").glob("*/tasks.yaml")):
        head, _, body = path.read_text().partition("tasks:\n")
        tasks = re.split(r"(?m)^(?=  - id:)", body)[1:]
        pieces += [f"{head}tasks:\n{''.join(tasks[n : n + 1 + n % 3])}" for n in range(len(tasks))]
    bad = [text for text, _ in CASES.values()]
    return [text for text in (*pieces, *pieces, *pieces, _WORKSPACES, *bad) if len(text) <= MAX_SEED_CHARS]


def wholes() -> Sequence[str]:
    """Returns the unchanged examples."""
    return [path.read_text() for path in sorted((ROOT / "examples").glob("*/tasks.yaml"))]


def _swap(lines: Lines, rng: random.Random) -> None:
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]


def _drop(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    del lines[i : i + rng.choice((1, 1, 2, 5))]


def _double(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    lines[i:i] = lines[i : i + rng.choice((1, 1, 3))] * rng.choice((1, 1, 2, 30))


def _indent(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    lines[i] = (
        rng.choice((" ", "  ", "\t", "- ", "    ")) + lines[i] if rng.random() < 0.6 else lines[i].lstrip()
    )


def _rename(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    lines[i] = re.sub(r"[\w.]+(?=:)", lambda _: rng.choice(_KEYS), lines[i], count=1)


def _revalue(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    key, colon, _ = lines[i].partition(":")
    lines[i] = f"{key}: {rng.choice(_NASTY)}" if colon else f"{lines[i]}{rng.choice(_NASTY)}"


def _insert(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    indent = " " * rng.choice((0, 2, 4, 6))
    value = rng.choice(_NASTY)
    line = rng.choice((f"{indent}{rng.choice(_KEYS)}: {value}", f"{indent}- {value}", f"{indent}{value}"))
    lines.insert(i, line)


def _nest(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    key, colon, value = lines[i].partition(":")
    depth = rng.choice((1, 2, 17, 19, 20, 21, 40))
    opens, closes = rng.choice((("[", "]"), ("{a: ", "}")))
    shut = closes * (depth if rng.random() < 0.8 else depth - 1)
    lines[i] = f"{key}{colon} {opens * depth}{value.strip() or 'x'}{shut}"


def _stretch(lines: Lines, rng: random.Random) -> None:
    i = rng.randrange(len(lines))
    lines[i] += rng.choice(("9", "x", " ", "\\", "'", "a: ")) * rng.choice((10, 300, 3_000))


_LINES: Final[Sequence[Callable[[Lines, random.Random], None]]] = (
    _swap, _drop, _double, _indent, _rename, _rename, _revalue, _revalue, _insert, _insert, _nest, _stretch,
)  # fmt: skip


def _flip(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _byte(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + bytes([rng.randrange(256)]) + data[at:]


def _cut(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + data[at + rng.choice((1, 2, 10, 100, len(data))) :]


def _paste(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + rng.choice(_NASTY).encode("utf-8", "surrogatepass") + data[at:]


def _ends(data: bytes, _at: int, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n---\n")), rng.choice((-1, 1)))


def _mark(data: bytes, _at: int, rng: random.Random) -> bytes:
    return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x80", b"\xed\xa0\x80")) + data


_BYTES: Final = (_flip, _byte, _cut, _paste, _paste, _ends, _mark)


def mutated(seed: int, number: int, pieces: Sequence[str], whole: Sequence[str]) -> bytes:
    """Returns the file with this number in the seed's series."""
    rng = random.Random(f"{seed}:{number}")
    text = rng.choice(whole if rng.randrange(WHOLE_ONE_IN) == 0 else pieces)
    lines = text.split("\n")
    if rng.random() < 0.1:
        at = rng.randrange(len(lines))
        lines[at:] = rng.choice(pieces).split("\n")
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        if lines:
            rng.choice(_LINES)(lines, rng)
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        if data:
            data = rng.choice(_BYTES)(data, rng.randrange(len(data)), rng)
    return data
