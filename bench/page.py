"""Makes the table of docs/performance.md from runs of the bench: `page.py RESULT.json…`.

Values of the same measure from several runs at one commit are merged; the page names the machine and the
date. Only the lines between the two marks change.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from measure import Finding, Goal, short

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
PEERS: Final = ("R4", "R9")


def main() -> None:
    runs = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + _table(runs) + END + after, encoding="utf-8")


def _table(runs: Sequence[Mapping[str, Any]]) -> str:
    found = _together(runs)
    days = sorted({run["at"][:10] for run in runs})
    machines = sorted({run["machine"] for run in runs})
    head = f"Measured on {' and '.join(machines)}; {' to '.join(days)}.\n\n"
    lines = [
        "| id | measure | median [min–max] | goal | | in the same run | command |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(each) for each in found]
    return head + "\n".join(lines) + "\n"


def _together(runs: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Returns one finding for each measure, with the median of the runs for the figures beside it."""
    values: dict[tuple[str, str], list[float]] = {}
    beside: dict[tuple[str, str], dict[str, list[float]]] = {}
    latest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for run in runs:
        for line in run["findings"]:
            key = (line["id"], line["name"])
            values.setdefault(key, []).extend(line["values"])
            for name, shown in line["beside"].items():
                beside.setdefault(key, {}).setdefault(name, []).append(float(shown.replace(",", "")))
            latest[key] = line
    return [
        Finding(
            *key,
            found,
            _goal(latest[key]["goal"]),
            latest[key]["unit"],
            {name: statistics.median(each) for name, each in beside.get(key, {}).items()},
        )
        for key, found in sorted(values.items(), key=lambda item: _place(item[0][0]))
    ]


def _place(name: str) -> tuple[int, int]:
    """Orders R1 before R10, and measures with a word for a name last."""
    number = name.partition(",")[0].removeprefix("R")
    return (0, int(number)) if number.isdecimal() else (1, 0)


def _goal(text: str) -> Goal | None:
    return Goal(float(text[1:]), at_least=text.startswith("≥")) if text else None


def _line(finding: Finding) -> str:
    beside = ", ".join(f"{name} {short(value)}" for name, value in finding.beside.items())
    make = "make bench-peers" if finding.id in PEERS else "make bench"
    command = f"`{make} ONLY={finding.id.partition(',')[0]}`"
    cells = (
        finding.id,
        finding.name,
        finding.shown(),
        str(finding.goal or ""),
        finding.verdict,
        beside,
        command,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
