"""Pages of a task's log."""

from functools import partial

from support.engine import EngineHarness, task
from swarmd.domain.model import TaskKey
from swarmd.engine.attempts.sessions import SessionProgress
from swarmd.engine.reports import session_logs
from swarmd.engine.reports.session_logs import LogQuery
from swarmd.store import tasks
from swarmd.store.sessions import MAX_ENTRY_NUMBER, LogEntry


async def test_entries_whose_numbers_no_cursor_can_express_are_left_out(swarm: EngineHarness) -> None:
    """The server refuses such numbers now; a database may have some from before."""
    worker = await swarm.worker()
    await swarm.add(task("a"))
    claim = await worker.claim("a")
    await worker.start(claim)
    numbers = (1, MAX_ENTRY_NUMBER, MAX_ENTRY_NUMBER + 1, 2**63 - 1)
    entries = [LogEntry(number, 1, "LOG_KIND_OUTPUT", f"{number}") for number in numbers]
    progress = SessionProgress(claim.lease_id, f"a-a1-builder-{claim.epoch}", entries, None)
    await swarm.swarm.db.write(
        partial(swarm.swarm.sessions.record_progress, worker=worker.name, progress=progress)
    )

    state = (await swarm.swarm.db.read(tasks.states))["a"]
    page = await swarm.swarm.db.read(partial(session_logs.page, key=TaskKey(state.key), wanted=LogQuery()))

    shown = [entry.entry.number for entry in page.shown if entry.entry.kind != session_logs.GAP]
    assert shown == [1], "the log keeps its beginning"
    assert all(entry.cursor < 2**53 for entry in page.shown)
