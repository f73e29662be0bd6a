"""Mutations of RPC messages: by their descriptors, so that most still parse, and as plain bytes.

Invariant: the same random source makes the same bytes from the same message.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_WHOLE: Final = (
    0,
    1,
    -1,
    2,
    3,
    76,
    127,
    1_000,
    1_025,
    2**31 - 1,
    -(2**31),
    2**31,
    2**62,
    2**63 - 1,
    -(2**63),
)
_REAL: Final = (0.0, -0.0, 0.5, -1.0, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
_TEXT: Final = (
    "", " ", "a", "x" * 129, "x" * 10_000, "\x00", "a\x00b", "\x1b[31m", "é", "\U0001f680", "\u202e", "%", "_", "a,b",
    "../../etc/passwd", "-rf", "1-1-1-" + "0" * 32, "9" * 15 + "-" + "9" * 15 + "-" + "9" * 9 + "-" + "f" * 32,
    "1-99-1-" + "a" * 32, "w1", "w2", "t0", "t00", "nan", "-1", "1e999", "9" * 5_000, "٣", "0.1", "{}", "<script>",
)  # fmt: skip
# Some lists get this length, one more than a call may have.
_MANY: Final = 1_025
_MANY_ONE_IN: Final = 200

_LIMITS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}


def mutated(message: Message, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Returns the message with up to four changes, as bytes; a third is changed as bytes too."""
    changed = type(message)()
    changed.CopyFrom(message)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        _change(changed, rng)
    data = changed.SerializeToString(deterministic=True)
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 2))):
        data = rng.choice(_BYTES)(data, rng, others)
    return data


def _change(message: Message, rng: random.Random, depth: int = 0) -> None:
    """Changes one field of the message, or of a message inside."""
    fields: list[Any] = list(message.DESCRIPTOR.fields)
    if not fields:
        return
    given: list[Any] = [field for field, _ in message.ListFields()]
    field = rng.choice(given if given and rng.random() < 0.8 else fields)
    if _is_map(field):
        _change_map(message, field, rng)
    elif field.is_repeated:
        _change_list(message, field, rng, depth)
    elif field.message_type is not None:
        if rng.random() < 0.1:
            message.ClearField(field.name)
        else:
            getattr(message, field.name).SetInParent()
            _change(getattr(message, field.name), rng, depth + 1)
    elif rng.random() < 0.1:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _value(field, rng))


def _change_list(message: Message, field: Any, rng: random.Random, depth: int) -> None:
    items = getattr(message, field.name)
    kind = rng.random()
    if kind < 0.15 and items:
        del items[rng.randrange(len(items))]
    elif kind < 0.3 and items:
        again = items[rng.randrange(len(items))]
        count = _MANY if rng.randrange(_MANY_ONE_IN) == 0 else rng.choice((1, 1, 3))
        items.extend([again] * count)
    elif field.message_type is None:
        value = _value(field, rng)
        if items and kind < 0.6:
            items[rng.randrange(len(items))] = value
        else:
            items.append(value)
    else:
        if not items or kind > 0.9:
            items.add()
        _change(items[rng.randrange(len(items))], rng, depth + 1)


def _change_map(message: Message, field: Any, rng: random.Random) -> None:
    items = getattr(message, field.name)
    items[rng.choice(_TEXT)] = _value(field.message_type.fields_by_name["value"], rng)


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _value(field: Any, rng: random.Random) -> Any:
    kind = field.cpp_type
    if kind in _LIMITS:
        low, high = _LIMITS[kind]
        return rng.choice([value for value in _WHOLE if low <= value <= high])
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return rng.choice(_REAL)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return rng.random() < 0.5
    text = rng.choice(_TEXT)
    return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text


def _flip(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    if not data:
        return b"\x01"
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 9))) + data[at:]


def _delete(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 2, 9)) :]


def _truncate(data: bytes, rng: random.Random, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _splice(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Joins two messages, which protobuf reads as one message with the fields of both."""
    other = rng.choice(others)
    return data + other if rng.random() < 0.5 else other + data


_BYTES: Final[Sequence[Callable[[bytes, random.Random, Sequence[bytes]], bytes]]] = (
    _flip, _flip, _insert, _delete, _truncate, _splice,
)  # fmt: skip
