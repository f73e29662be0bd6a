"""The metadata of a KEDA trigger as a pool of workers."""

from collections.abc import Mapping
from typing import Final

from swarmd.domain.errors import InvalidRequest
from swarmd.domain.placement import WorkerPool

MAX_SLOTS: Final = 1_024
_BOOLEANS: Final = {"true": True, "false": False}


def read_pool(metadata: Mapping[str, str]) -> WorkerPool:
    """Reads `labels`, `slots`, `unlabelled` and `clones`; other keys are KEDA's own.

    Raises: InvalidRequest for a value that is not one.
    """
    return WorkerPool(
        labels=_read_labels(metadata.get("labels", "")),
        slots=_read_slots(metadata.get("slots", "1")),
        takes_unlabelled=_read_bool(metadata, "unlabelled"),
        makes_clones=_read_bool(metadata, "clones"),
    )


def _read_labels(text: str) -> Mapping[str, str]:
    labels = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = part.partition("=")
        if not separator or not name:
            raise InvalidRequest("scalerMetadata.labels", f"has {part!r}; write KEY=VALUE,KEY=VALUE")
        labels[name] = value
    return labels


def _read_slots(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_SLOTS):
        raise InvalidRequest("scalerMetadata.slots", f"is {text[:40]!r}; give a number from 1 to {MAX_SLOTS}")
    return int(text)


def _read_bool(metadata: Mapping[str, str], name: str) -> bool:
    text = metadata.get(name, "true")
    if text not in _BOOLEANS:
        raise InvalidRequest(f"scalerMetadata.{name}", f'is {text[:40]!r}; write "true" or "false"')
    return _BOOLEANS[text]
