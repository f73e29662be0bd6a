"""Loads structlog without rich and greenlet, which it takes where they happen to be installed, and without Twisted.

Tracebacks in colour, green threads and another event loop are nothing to a daemon; with what rich brings they are
6 MiB in every worker, and a tenth of a second before each start.
"""

import importlib
import sys
from typing import Any, Final

_UNWANTED: Final = ("rich", "greenlet", "structlog.twisted")


def load_structlog() -> None:
    """Call it before anything else of ours is loaded; afterwards all can be had as ever."""
    modules: dict[str, Any] = sys.modules
    if "structlog" in modules:
        return
    hidden = [name for name in _UNWANTED if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        importlib.import_module("structlog")
    finally:
        for name in hidden:
            del modules[name]
