"""Loads structlog without rich, which it would take for tracebacks in colour that no daemon prints.

With what rich brings that is 6 MiB in every worker, and a tenth of a second before each start.
"""

import importlib
import sys
from typing import Any


def load_structlog() -> None:
    """Call it before anything else of ours is loaded; afterwards rich can be had as ever."""
    modules: dict[str, Any] = sys.modules
    if "structlog" in modules or "rich" in modules:
        return
    modules["rich"] = None
    try:
        importlib.import_module("structlog")
    finally:
        del modules["rich"]
