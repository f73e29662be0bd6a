"""`swarmctl watch`."""

import os
from importlib.util import find_spec
from typing import Final

from amplifier_swarm.documents.events import event_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.render.events import event_line, event_text

# Four updates a second are enough for a reader.
PAUSE_S: Final = 0.25


def run(ctl: CommandContext) -> None:
    """On a terminal a full screen, with keys to search, to show a task with its live log, to kill, retry,
    pause, drain and stop; otherwise one line per event. q or Ctrl-C ends it.
    """
    if not ctl.printer.live:
        after = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq
        batches = streams.events(ctl.stub, after=after)
        ctl.printer.stream((event for batch in batches for event in batch), event_document, event_line)
    elif find_spec("textual") is None:
        print_err("swarmctl: the full screen needs textual: pip install 'amplifier-swarm[tui]'")
        _show_board(ctl)
    else:
        _show_screen(ctl)


def _show_screen(ctl: CommandContext) -> None:
    # Imported here: textual takes long to load, and only this command needs it.
    from swarmctl.tui import app, snapshot  # noqa: PLC0415

    if ctl.options.no_color:
        # textual reads only this variable.
        os.environ["NO_COLOR"] = "1"
    app.show(ctl.stub, snapshot.fetch_snapshot(ctl.stub, snapshot.Query()), server=ctl.server)


def _show_board(ctl: CommandContext) -> None:
    from swarmctl.render.live_board import LiveBoard, fetch_board, refresh_board  # noqa: PLC0415  # rich is slow to load

    board = fetch_board(ctl.stub)
    batches = streams.events(ctl.stub, after=board.swarm.last_event_seq)
    with LiveBoard(ctl.printer.console(), board) as live:
        for batch in streams.coalesced(batches, pause_s=PAUSE_S):
            board = refresh_board(ctl.stub, board)
            live.show(board, [event_text(event) for event in batch])
