"""The order that the writes of a call carry out: who gave it, and why; events that a write records name both.

Invariant: the value belongs to the call. What the server does by itself, and what workers report, has no order.
"""

from contextvars import ContextVar
from typing import Final, NamedTuple


class OrderedBy(NamedTuple):
    """The name of the token with which an order was given, and the reason that came with it; both may be empty."""

    name: str = ""
    because: str = ""


NOBODY: Final = OrderedBy()
ORDERED_BY: Final[ContextVar[OrderedBy]] = ContextVar("ORDERED_BY", default=NOBODY)
