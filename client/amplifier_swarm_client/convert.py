"""Messages as values, and values as messages, by the names of their fields."""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from amplifier_swarm.documents import words
from amplifier_swarm_client import types
from amplifier_swarm_client.word import Word

T = TypeVar("T")
W = TypeVar("W", bound=Word)
# The message inside others whose class has a name of its own here.
_RENAMED: Final[Mapping[str, str]] = {"Swarm": "SwarmState"}
_Read = Callable[[Message], Any]


def value_of(message: Message, kind: type[T]) -> T:
    """Returns the value of a message: an instance of its class in `types`."""
    return kind(**{name: read(message) for name, read in _reader(message.DESCRIPTOR, cast("Any", kind))})


def word_of(kind: type[W], number: int) -> W:
    """Returns the word of a number of an enum."""
    return kind(words.word(_enum(kind), number) or "")


def number_of(kind: type[Word], word: str) -> Any:
    """Returns the number of a word of an enum, 0 for the empty text; raises ValueError for another word."""
    if not word:
        return 0
    number = words.value_of(_enum(kind), word)
    if number is None:
        known = ", ".join(words.words_of(_enum(kind)))
        raise ValueError(f"{word!r} is no {kind.__name__}; give one of {known}")
    return number


def fill(message: Message, value: Any) -> None:
    """Sets the fields of a message that a value has; raises TypeError or ValueError for one that does not fit."""
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if given is not None:
            _write(message, message.DESCRIPTOR.fields_by_name[field.name], given)


@cache
def _reader(descriptor: Descriptor, kind: Any) -> list[tuple[str, _Read]]:
    # A server may be newer: fields that the class does not have are left out.
    known = {field.name: field for field in dataclasses.fields(kind)}
    return [
        (field.name, _field_reader(field, known[field.name]))
        for field in descriptor.fields
        if field.name in known
    ]


def _field_reader(field: FieldDescriptor, known: "dataclasses.Field[Any]") -> _Read:
    name = field.name
    if _is_map(field):
        return lambda message: dict(getattr(message, name))
    read = _converter(field)
    if field.is_repeated:
        return lambda message: tuple(map(read, getattr(message, name)))
    # A message that the server always sets has an empty value as its default, and not None.
    if field.has_presence and known.default_factory is dataclasses.MISSING:
        return lambda message: read(getattr(message, name)) if message.HasField(name) else None
    return lambda message: read(getattr(message, name))


def _converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        kind: type[Word] = getattr(types, field.enum_type.name)
        return lambda number: word_of(kind, number)
    if field.message_type is None:
        return lambda value: value
    match field.message_type.full_name:
        case "google.protobuf.Timestamp":
            return lambda stamp: stamp.ToDatetime(UTC)
        case "google.protobuf.Duration":
            return lambda duration: duration.ToTimedelta()
    inner: type[Any] = getattr(types, _RENAMED.get(field.message_type.name, field.message_type.name))
    return lambda message: value_of(message, inner)


@cache
def _enum(kind: type[Word]) -> EnumTypeWrapper:
    return EnumTypeWrapper(Default().FindEnumTypeByName(f"amplifier_swarm.v1.{kind.__name__}"))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _write(message: Message, field: Any, value: Any) -> None:
    if _is_map(field):
        getattr(message, field.name).update(value)
    elif field.is_repeated and field.message_type is not None:
        for item in value:
            fill(getattr(message, field.name).add(), item)
    elif field.is_repeated:
        getattr(message, field.name).extend(value)
    elif isinstance(value, timedelta):
        getattr(message, field.name).FromTimedelta(value)
    elif isinstance(value, datetime):
        getattr(message, field.name).FromDatetime(value)
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
        fill(getattr(message, field.name), value)
    elif field.enum_type is not None:
        setattr(message, field.name, number_of(getattr(types, field.enum_type.name), value))
    else:
        setattr(message, field.name, value)
