"""Events, one line each."""

from typing import Final, NamedTuple

from amplifier_swarm.text import one_line
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from swarmctl import text_format
from swarmctl.render.align import shortened, wrapped

CAUSE_LIMIT: Final = 300
# On a terminal, an id has at least this room, and the further lines of an event begin here.
LEAST_ID: Final = 20
HANGING: Final = 8
# The command that resumes a paused runner, for the default server.
RESUME: Final = "swarmctl resume"


def event_line(event: Event) -> str:
    """Returns an event for people, with the number that `--after` takes."""
    return f"{event.seq:>6}  {text_format.moment(event, 'happened_at') or '-'}  {event_text(event)}"


def fitted_line(event: Event, columns: int) -> str:
    """Returns an event for a terminal of that width: ids lose their middle, and what is too long goes on below."""
    shown, most = Event(), max(LEAST_ID, columns // 4)
    shown.CopyFrom(event)
    shown.task_id, shown.worker = shortened(event.task_id, most), shortened(event.worker, most)
    return ("\n" + " " * HANGING).join(wrapped(event_line(shown), columns - HANGING))


def event_text(event: Event, *, resume: str = RESUME) -> str:
    """Returns what happened, where and why. For a paused runner the text names `resume` as the remedy."""
    kind = (text_format.word(EventKind, event.kind) or "").replace("_", " ")
    subject, where = _place(event)
    line = f"{subject}  {kind}" if subject else kind
    line += f" ({', '.join(where)})" if where else ""
    why = [event.cause, event.because] if event.because not in event.cause else [event.cause]
    why = [text for text in why if text]
    line = one_line(f"{line}: {'; '.join(why)}" if why else line, CAUSE_LIMIT)
    paused = event.kind == EventKind.EVENT_KIND_RUNNER_PAUSED
    return f"{line}; mend that, then `{resume}`" if paused else line


_OF_RUNNERS: Final = (
    EventKind.EVENT_KIND_RUNNER_PAUSED,
    EventKind.EVENT_KIND_RUNNER_PROBED,
    EventKind.EVENT_KIND_RUNNER_RESUMED,
)


class _Place(NamedTuple):
    """The subject of an event, and where it happened."""

    subject: str
    where: list[str]


def _place(event: Event) -> _Place:
    if event.kind in _OF_RUNNERS:
        # The cause names the runner; the task is only the one whose attempt showed it.
        return _Place("", [place for place in (event.worker, event.task_id) if place])
    where = [f"attempt {event.attempt}"] if event.attempt else []
    where += [event.worker] if event.worker and event.task_id else []
    where += [f"by {event.actor}"] if event.actor and event.actor not in event.cause else []
    return _Place(event.task_id or event.worker, where)
