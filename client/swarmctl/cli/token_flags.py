"""The flags that say for how long a token is good, for whom, and what workers get by it."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from google.protobuf.duration_pb2 import Duration

from amplifier_swarm.v1.operator_service_pb2 import JoinTerms

_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_time(text: str) -> float:
    """Returns the seconds of a time such as `90s`, `30m`, `24h` or `7d`."""
    match = _TIME.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a time; give a number and s, m, h or d, such as 24h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_label(text: str) -> str:
    """Checks `K=V`."""
    key, separator, _ = text.partition("=")
    if not separator or not key:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE")
    return text


@dataclass(frozen=True, slots=True)
class TermFlags:
    """The terms of a token, as flags."""

    expires: Annotated[
        float | None,
        typer.Option(
            parser=parse_time,
            metavar="TIME",
            help="For how long it is good: 90s, 30m, 24h, 7d.",
            show_default=False,
        ),
    ] = None
    uses: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="How many workers may join by it; 0 for any number.", show_default=False
        ),
    ] = None
    label: Annotated[
        list[str] | None,
        typer.Option(
            parser=parse_label,
            metavar="K=V",
            help="A label that workers have by it; may be repeated.",
            show_default=False,
        ),
    ] = None

    @property
    def given(self) -> bool:
        """True if any of the flags is given."""
        return self.expires is not None or self.uses is not None or bool(self.label)

    @property
    def duration(self) -> Duration | None:
        """The time for which the token is good; None if the server is to say it."""
        if self.expires is None:
            return None
        found = Duration()
        found.FromMicroseconds(int(self.expires * 1e6))
        return found

    def join(self) -> JoinTerms:
        """Returns the terms of a join token, which is good once unless --uses says otherwise."""
        labels = dict(label.split("=", 1) for label in self.label or ())
        return JoinTerms(labels=labels, max_uses=1 if self.uses is None else self.uses)
