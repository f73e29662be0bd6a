"""Conditions of objects, in the form of Kubernetes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

MAX_MESSAGE: Final = 4_000


def with_condition(
    conditions: Sequence[Mapping[str, Any]],
    kind: str,
    *,
    status: bool,
    reason: str,
    message: str,
    generation: int,
) -> list[Mapping[str, Any]]:
    """Returns the conditions with this one replaced. The time of its last change stays if its status does."""
    word = "True" if status else "False"
    old = next((found for found in conditions if found["type"] == kind), {})
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    new = {
        "type": kind,
        "status": word,
        "reason": reason,
        "message": message[:MAX_MESSAGE],
        "lastTransitionTime": old.get("lastTransitionTime", now) if old.get("status") == word else now,
        "observedGeneration": generation,
    }
    return [*(found for found in conditions if found["type"] != kind), new]
