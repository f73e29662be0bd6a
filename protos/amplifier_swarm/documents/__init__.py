"""The JSON documents of the contract's messages: `swarmctl -o json` prints them, swarmd's HTTP API returns them.

This module itself is light to load: a help page needs no more than it.
"""

from typing import Any

# A JSON value: None, bool, int, float, str, and lists and dicts of these.
Document = Any
