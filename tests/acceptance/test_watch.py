"""`swarmctl watch` on a real terminal, with a real server behind it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support.programs import BIN, stage
from support.waiting import DEADLINE_S

pytestmark = pytest.mark.slow


def read_until(terminal: int, text: bytes) -> bytes:
    """Returns the terminal's output up to the text."""
    seen, end_s = b"", time.monotonic() + DEADLINE_S
    while text not in seen:
        assert time.monotonic() < end_s, f"waited in vain for {text!r}; the terminal got {seen[-2000:]!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            with suppress(OSError):
                seen += os.read(terminal, 65536)
    return seen


def test_the_full_screen_view_opens_accepts_an_action_and_restores_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("tasks: [{id: alpha, name: Alpha}]\n")
    with stage(tmp_path) as on:
        on.swarmd()
        on.ctl("import", "plan.yaml")
        terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        argv = [str(BIN / "swarmctl"), "--server", on.address, "watch"]
        env = {key: text for key, text in on.environment().items() if key != "COLUMNS"} | {
            "TERM": "xterm-256color"
        }
        with subprocess.Popen(
            argv, cwd=tmp_path, env=env, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
        ) as watch:
            os.close(inner)
            try:
                opened = read_until(terminal, b"Amplifier Swarm")
                os.write(terminal, b"2")
                read_until(terminal, b"alpha")
                os.write(terminal, b"p")
                read_until(terminal, b"Pause the swarm?")
                os.write(terminal, b"\r")
                read_until(terminal, b"Paused: no cause given")
                os.write(terminal, b"q")
                closed = read_until(terminal, b"\x1b[?1049l")
                assert watch.wait(DEADLINE_S) == 0
            finally:
                watch.kill()
        os.close(terminal)

        assert b"\x1b[?1049h" in opened
        assert b"Traceback" not in closed
        assert '"mode": "paused"' in on.ctl("status", "-o", "json").stdout
