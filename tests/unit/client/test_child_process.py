"""The child processes of a run."""

import os
import sys
from pathlib import Path

from swarmctl.run.child_process import Child
from swarmctl.run.messages import MessageQueue, StdoutLine

LINES = 20_000
CHATTER = f"""
import sys
for number in range({LINES}):
    print("x" * 100)
    print("y" * 100, file=sys.stderr)
"""


def test_d12_a_child_that_says_a_lot_before_anybody_listens_is_not_held_up(tmp_path: Path) -> None:
    messages = MessageQueue()
    reading, writing = os.pipe()
    child = Child("chatter", [sys.executable, "-c", CHATTER], log=tmp_path / "logs" / "log", stdout=writing)
    os.close(writing)
    messages.watch_lines(reading)

    assert child.wait(60) == 0
    said = 0
    while messages.get(None) != StdoutLine(""):
        said += 1
    assert said == LINES
    assert child.log.read_bytes().count(b"\n") == LINES
