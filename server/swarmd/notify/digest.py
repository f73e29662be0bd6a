"""Puts what waits to be told into one message, however much it is."""

from dataclasses import dataclass, field
from typing import Final

from swarmd.notify.notices import Notice, NoticePage
from swarmd.notify.targets import Topic

LINES: Final = 10
TITLE: Final = "Amplifier Swarm"
_GOOD: Final = frozenset({Topic.FINISHED})


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Its kind is one of Apprise's."""

    title: str
    body: str
    kind: str


@dataclass(slots=True)
class Digest:
    """Gathers page by page; keeps a few lines and counts the rest."""

    last_seq: int
    first: list[Notice] = field(default_factory=list)
    count: int = 0
    keys: set[str] = field(default_factory=set)

    def take(self, page: NoticePage, known: frozenset[str]) -> None:
        """Adds what is not known yet, and notes how far the page goes."""
        self.last_seq = page.last_seq
        for notice in page.notices:
            if notice.key in known or notice.key in self.keys:
                continue
            self.keys.add(notice.key)
            self.count += 1
            if len(self.first) < LINES:
                self.first.append(notice)
            elif notice.topic is not Topic.FAILED:
                # Failures come in crowds; what is rarer says more.
                self.first[-1] = notice

    def message(self, host: str) -> Message:
        """The whole of it; there must be something to tell."""
        one = self.first[0]
        title = one.title if self.count == 1 else f"{self.count} things happened"
        lines = [notice.text for notice in self.first]
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines)} more; `swarmctl events` has them all")
        good = all(notice.topic in _GOOD for notice in self.first)
        return Message(f"{TITLE} on {host}: {title}", "\n".join(lines), "success" if good else "warning")
