"""`swarmctl watch`."""

from typing import Final

from amplifier_swarm.documents.events import event_document
from amplifier_swarm.v1.operator_service_pb2 import GetSwarmRequest
from swarmctl import follow
from swarmctl.board import LiveBoard, fetch_again, fetch_board
from swarmctl.ctl import DEADLINE_S, Ctl
from swarmctl.render.events import event_line, told

# Four looks a second are as many as an eye takes in.
PAUSE_S: Final = 0.25


def run(ctl: Ctl) -> None:
    """A table that keeps itself up to date on a terminal, one line an event otherwise. Ctrl-C ends it."""
    if ctl.printer.live:
        _draw(ctl)
        return
    after = ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S).swarm.last_event_seq
    batches = follow.events(ctl.stub, after=after)
    ctl.printer.stream((event for batch in batches for event in batch), event_document, event_line)


def _draw(ctl: Ctl) -> None:
    board = fetch_board(ctl.stub)
    batches = follow.events(ctl.stub, after=board.swarm.last_event_seq)
    with LiveBoard(ctl.printer.console(), board) as live:
        for batch in follow.gathered(batches, pause_s=PAUSE_S):
            board = fetch_again(ctl.stub, board)
            live.show(board, [told(event) for event in batch])
