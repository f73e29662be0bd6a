"""`swarmctl watch`."""

import os
from importlib.util import find_spec
from typing import Final

from amplifier_swarm.documents.events import event_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import say
from swarmctl.render.events import event_line, told

# Four looks a second are as many as an eye takes in.
PAUSE_S: Final = 0.25


def run(ctl: CommandContext) -> None:
    """On a terminal a full screen, where keys search, show a task with its live log, kill, retry, pause,
    drain and stop; one line an event otherwise. q or Ctrl-C ends it."""
    if not ctl.printer.live:
        after = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq
        batches = streams.events(ctl.stub, after=after)
        ctl.printer.stream((event for batch in batches for event in batch), event_document, event_line)
    elif find_spec("textual") is None:
        say("swarmctl: the full screen needs textual: pip install 'amplifier-swarm[tui]'")
        _draw(ctl)
    else:
        _fill_screen(ctl)


def _fill_screen(ctl: CommandContext) -> None:
    # Late: textual takes long to load, and only this needs it.
    from swarmctl.tui import app, snapshot  # noqa: PLC0415

    if ctl.options.no_color:
        # The one way in which textual can be told.
        os.environ["NO_COLOR"] = "1"
    app.show(ctl.stub, snapshot.take(ctl.stub, snapshot.Query()), server=ctl.options.server)


def _draw(ctl: CommandContext) -> None:
    from swarmctl.render.live_board import LiveBoard, fetch_again, fetch_board  # noqa: PLC0415  # rich is slow to load

    board = fetch_board(ctl.stub)
    batches = streams.events(ctl.stub, after=board.swarm.last_event_seq)
    with LiveBoard(ctl.printer.console(), board) as live:
        for batch in streams.gathered(batches, pause_s=PAUSE_S):
            board = fetch_again(ctl.stub, board)
            live.show(board, [told(event) for event in batch])
