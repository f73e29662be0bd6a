"""The table of metrics in the docs, for tests that compare it with the code."""

import re
from collections.abc import Mapping

from contract.repository import ROOT


def documented() -> Mapping[str, tuple[str, frozenset[str]]]:
    """Returns the type and the labels of each documented metric, by name."""
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(swarm_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
