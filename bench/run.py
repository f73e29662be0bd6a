"""`make bench`: measures the swarm on this machine, prints one table and writes it to bench/results/.

`ONLY` picks measures by id, `PAIRS` sets the number of pairs, `FULL=1` takes the sizes of
docs/performance.md, `MINUTES` sets the length of R11 and page. Ratios can be compared from machine to
machine; absolute figures can't.
"""

import datetime as dt
import importlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeAlias

from measure import Finding, Setting, short

Table: TypeAlias = "tuple[tuple[str, str, str], ...]"

RESULTS: Final = Path(__file__).parent / "results"
PAIRS: Final = 2
PAIRS_FULL: Final = 5
# The ids of the measures of one function, in their order.
MEASURES: Final[Table] = (
    ("R1", "steps", "single_findings"),
    ("R2", "steps", "gathered_findings"),
    ("R3", "steps", "slow_findings"),
    ("R5,R6", "spawning", "findings"),
    ("R7,R8", "latency", "findings"),
    ("R10", "claims", "findings"),
    ("R11", "fleet", "idle_findings"),
    ("R12", "fleet", "flood_findings"),
    ("R13", "urgent", "findings"),
    ("stop", "urgent", "stop_findings"),
    ("R14", "fleet", "storm_findings"),
    ("R15", "memory", "findings"),
    ("R16", "clones", "findings"),
    ("R17", "exclusion", "findings"),
    ("R18", "landings", "findings"),
    ("import", "importing", "findings"),
    ("viewers", "importing", "viewer_findings"),
    ("chain", "claims", "chain_findings"),
    ("cost", "cost", "findings"),
    ("random", "random_tasks", "findings"),
    ("standby", "standby", "findings"),
    ("page", "pages", "findings"),
)
# These need the peers' own environment, and Redis: `make bench-peers`.
PEERS: Final[Table] = (("R4", "drain", "findings"), ("R9", "drain", "fan_findings"))


def main() -> None:
    """Makes the measures that are asked for."""
    full = os.environ.get("FULL", "") == "1"
    pairs = int(os.environ.get("PAIRS") or (PAIRS_FULL if full else PAIRS))
    setting = Setting(pairs, full, asked_minutes=float(os.environ.get("MINUTES") or 0))
    only = {word for word in os.environ.get("ONLY", "").split(",") if word}
    measures = PEERS if os.environ.get("PEERS", "") == "1" else MEASURES
    if only:
        measures = tuple(each for each in (*MEASURES, *PEERS) if only & set(each[0].split(",")))
    print(f"machine: {_machine()}", flush=True)
    findings: list[Finding] = []
    for _, module, function in measures:
        for finding in getattr(importlib.import_module(module), function)(setting):
            print(f"  {finding.line()}", flush=True)
            findings.append(finding)
    print(f"written to {_written(findings, setting)}")


def _written(findings: Sequence[Finding], setting: Setting) -> Path:
    now = dt.datetime.now(dt.UTC)
    lines = [_line(each) for each in findings]
    result = {
        "machine": _machine(), "at": now.isoformat(timespec="seconds"), "commit": _commit(),
        "setting": asdict(setting), "findings": lines,
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    target.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def _line(finding: Finding) -> dict[str, object]:
    return asdict(finding) | {
        "median": finding.median,
        "shown": finding.shown(),
        "goal": str(finding.goal or ""),
        "verdict": finding.verdict,
        "beside": {name: short(value) for name, value in finding.beside.items()},
    }


def _machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory_gib:.0f} GiB, {platform.system()},"
        f" CPython {platform.python_version()}"
    )


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", RESULTS.parent, "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    main()
