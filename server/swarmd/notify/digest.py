"""The digest: one message for any number of notices."""

from dataclasses import dataclass, field
from typing import Final

from swarmd.notify.notices import Notice, NoticePage
from swarmd.notify.targets import Topic

LINES: Final = 10
TITLE: Final = "Amplifier Swarm"
_GOOD: Final = frozenset({Topic.FINISHED})


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a target; `kind` is one of Apprise's notify types."""

    title: str
    body: str
    kind: str


@dataclass(slots=True)
class Digest:
    """A collector of notice pages that keeps LINES notices and counts the rest."""

    last_seq: int
    first: list[Notice] = field(default_factory=list)
    count: int = 0
    keys: set[str] = field(default_factory=set)

    def add_page(self, page: NoticePage, known: frozenset[str]) -> None:
        """Adds the page's notices whose keys are new, and moves `last_seq` to the page's end."""
        self.last_seq = page.last_seq
        for notice in page.notices:
            if notice.key in known or notice.key in self.keys:
                continue
            self.keys.add(notice.key)
            self.count += 1
            if len(self.first) < LINES:
                self.first.append(notice)
            elif notice.topic is not Topic.FAILED:
                # Failures come in large numbers; a rarer notice says more.
                self.first[-1] = notice

    def message(self, host: str) -> Message:
        """Returns the message; the digest must hold a notice."""
        title = self.first[0].title if self.count == 1 else f"{self.count} things happened"
        lines = [notice.text for notice in self.first]
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines)} more; `swarmctl events` has them all")
        good = all(notice.topic in _GOOD for notice in self.first)
        return Message(f"{TITLE} on {host}: {title}", "\n".join(lines), "success" if good else "warning")
