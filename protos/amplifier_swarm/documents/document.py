"""What a document is made of. Light to load: a help page needs no more than this."""

from typing import Any

# What JSON knows: None, bool, int, float, str, and lists and dicts of these.
Document = Any
