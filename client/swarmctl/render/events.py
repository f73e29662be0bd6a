"""Events, one a line."""

from typing import Final

from amplifier_swarm.text import one_line
from amplifier_swarm.v1.event_pb2 import Event, EventKind
from swarmctl import text_format

CAUSE_LIMIT: Final = 300
# What ends the pause of a runner, where nothing else says which server is meant.
RESUME: Final = "swarmctl resume"


def event_line(event: Event) -> str:
    """An event for people, with the number that `--after` takes."""
    return f"{event.seq:>6}  {text_format.iso(event, 'happened_at') or '-'}  {told(event)}"


def told(event: Event, *, resume: str = RESUME) -> str:
    """What happened, to what, where and why; of a paused runner also what to do, `resume` being part of it."""
    kind = (text_format.word(EventKind, event.kind) or "").replace("_", " ")
    subject, where = _place(event)
    line = f"{subject}  {kind}" if subject else kind
    line += f" ({', '.join(where)})" if where else ""
    line = one_line(f"{line}: {event.cause}" if event.cause else line, CAUSE_LIMIT)
    paused = event.kind == EventKind.EVENT_KIND_RUNNER_PAUSED
    return f"{line}; mend that, then `{resume}`" if paused else line


def _place(event: Event) -> tuple[str, list[str]]:
    if event.kind == EventKind.EVENT_KIND_RUNNER_PAUSED:
        # Its cause names the runner; the task is only the one that happened to ask.
        return "", [place for place in (event.worker, event.task_id) if place]
    where = [f"attempt {event.attempt}"] if event.attempt else []
    where += [event.worker] if event.worker and event.task_id else []
    return event.task_id or event.worker, where
