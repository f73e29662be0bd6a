"""The targets of `--notify`: an Apprise address, and the topics that it wants."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from amplifier_swarm import text_files
from amplifier_swarm.exits import ExitCode, ProgramExit

_FILTER: Final = "#events="


class Topic(StrEnum):
    """A subject that a person may want notices of."""

    FAILED = "failed"  # a task failed for good
    FINISHED = "finished"  # no task is left that can make progress
    STOP = "stop"  # an emergency stop came into force
    WORKER_LOST = "worker-lost"  # a worker is lost
    RUNNER_PAUSED = "runner-paused"  # a provider refused for good
    NEEDS_PERSON = "needs-person"  # something else needs a decision


@dataclass(frozen=True, slots=True)
class Target:
    """An address. Messages name its position on the command line, because the address itself holds secrets."""

    number: int
    url: str
    topics: frozenset[Topic]

    @property
    def scheme(self) -> str:
        """Returns the scheme of the address, for logs."""
        return self.url.partition("://")[0]

    @property
    def reader(self) -> str:
        """Returns the name of the target's stored cursor; it depends on the address only, not on the filter."""
        return f"notify:{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"


def read_targets(texts: Sequence[str]) -> Sequence[Target]:
    """Reads the values of `--notify`.

    Raises: ProgramExit for a wrong value; its message never shows an address.
    """
    found = [_target(number, text) for number, text in enumerate(_lines(texts), 1)]
    urls = [target.url for target in found]
    for target in found:
        if urls.count(target.url) > 1:
            raise ProgramExit(
                ExitCode.USAGE, f"--notify {target.number} is given twice", hint="name all its events in one"
            )
    return found


def _lines(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        if not text.startswith("@"):
            yield text
            continue
        path = Path(text[1:]).expanduser()
        try:
            lines = text_files.read(path).splitlines()
        except (OSError, text_files.NotText) as error:
            why = error.strerror if isinstance(error, OSError) else f"it {error}"
            raise ProgramExit(
                ExitCode.USAGE, f"--notify: can't read {path}: {why}", hint="check the path"
            ) from error
        yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _target(number: int, text: str) -> Target:
    url, marked, names = text.rpartition(_FILTER)
    if not marked:
        return Target(number, text, frozenset(Topic))
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in set(Topic)]
    if unknown:
        raise ProgramExit(
            ExitCode.USAGE,
            f"--notify {number}: {unknown[0]!r} is not an event",
            hint=f"known are {', '.join(Topic)}",
        )
    return Target(number, url, frozenset(map(Topic, wanted)))
