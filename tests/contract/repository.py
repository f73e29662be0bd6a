"""The repository as the contract tests see it: its root, its files and its pyproject."""

import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = {
    "amplifier_swarm": ROOT / "protos",
    "swarmd": ROOT / "server",
    "swarm_worker": ROOT / "worker",
    "amplifier_swarm_client": ROOT / "client",
    "swarm_session": ROOT / "worker",
    "swarmctl": ROOT / "client",
    "swarm_operator": ROOT / "client",
}
# What scripts/python_client.py writes.
GENERATED: Final = tuple(
    ROOT / "client" / "amplifier_swarm_client" / folder for folder in ("blocking", "types")
)


def pyproject() -> dict[str, Any]:
    """The parsed pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def files(*under: str) -> list[Path]:
    """Every file that git tracks or would track, in the given folders or everywhere."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *under],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = {ROOT / name for name in listed.stdout.decode().split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def python_files(*under: str) -> Iterator[Path]:
    """The Python files that people write."""
    return (path for path in files(*under) if path.suffix == ".py" and not is_generated(path))


def is_generated(path: Path) -> bool:
    """True for code that a program writes."""
    return "_pb2" in path.name or path.parent in GENERATED


def place(path: Path) -> str:
    """The path as the repository names it."""
    return path.relative_to(ROOT).as_posix()
