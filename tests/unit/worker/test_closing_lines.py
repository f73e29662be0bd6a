"""The last line of a session's log says how the session ended, and what had to be ended with it."""

import pytest

from swarm_worker.domain.model import KillReceipt
from swarm_worker.domain.types import Role
from swarm_worker.execution.session_result import closing_log_line
from swarm_worker.supervision.model import EndCause, RunEnd


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (RunEnd(EndCause.EXIT, 0), "builder session exited with code 0"),
        (RunEnd(EndCause.ORDER), "builder session ended by order"),
        (
            RunEnd(EndCause.TIMEOUT, -15, receipt=KillReceipt(processes_found=1, terminated=1)),
            "builder session ended by timeout, exit code -15; 1 of 1 process had to be ended",
        ),
        (
            RunEnd(EndCause.EXIT, 3, receipt=KillReceipt(processes_found=4, terminated=1, killed=1)),
            "builder session exited with code 3; 2 of 4 processes had to be ended",
        ),
    ],
)
def test_the_line_names_the_end_and_the_processes(ended: RunEnd, line: str) -> None:
    assert closing_log_line(Role.BUILDER, ended, None) == line
