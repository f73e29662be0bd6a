"""Questions of builders to people, with the answers and notes of people."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a builder to a person; `options` are answers that the builder can go on with."""

    text: str
    options: tuple[str, ...] = ()
    # The server's hold, if the session asked while it ran.
    hold_id: str = ""


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """A question of an earlier attempt, with the answer and the name of the person."""

    question: str
    text: str
    author: str = ""


@dataclass(frozen=True, slots=True)
class PersonNote:
    """A note of a person about the task."""

    text: str
    author: str = ""
