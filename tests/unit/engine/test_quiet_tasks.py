"""The signs that workers report of their programs: since when nothing is new, and what ends it."""

from support.engine import EngineHarness, task
from swarmd.engine.live.program_signs import SHOWN_QUIET, ReportedSigns
from swarmd.engine.reports import overview
from swarmd.engine.reports.overview import SwarmView

QUIET = ReportedSigns(quiet_s=360.0, times_out_in_s=3_000.0, stalls_in_s=540.0)
SECOND_US = 1_000_000


async def view(swarm: EngineHarness) -> SwarmView:
    engine = swarm.swarm
    since_us = engine.clock.wall_us() - 300 * SECOND_US
    return await engine.db.read(
        lambda tx: overview.swarm_view(tx, engine.live, started_us=0, quiet_since_us=since_us)
    )


async def test_a_program_without_anything_new_is_shown_until_it_prints_or_ends(swarm: EngineHarness) -> None:
    await swarm.add(task("a"), task("b"))
    worker = await swarm.worker(slots=2)
    claims = [await worker.claim(name) for name in ("a", "b")]
    for claim in claims:
        await worker.start(claim)
    now_us = swarm.swarm.clock.wall_us()
    beat = swarm.swarm.workers.heartbeat
    identity = worker.server_side.identity
    ids = [claim.lease_id for claim in claims]

    def say(running: dict[str, ReportedSigns]) -> None:
        beat(identity.name, identity.incarnation, ids, leaving=False, running=running)

    say({ids[0]: QUIET, ids[1]: QUIET._replace(quiet_s=3.0), "unknown": QUIET})
    [quiet] = (await view(swarm)).quiet

    assert (quiet.task_id, quiet.worker) == ("a", worker.name)
    assert quiet.signs.new_us == now_us - 360 * SECOND_US
    assert quiet.signs.stalls_us == now_us + 540 * SECOND_US
    assert quiet.signs.times_out_us == now_us + 3_000 * SECOND_US

    swarm.clock.pass_s(298)
    assert [one.task_id for one in (await view(swarm)).quiet] == ["a", "b"], "the longest first"

    say({ids[0]: QUIET._replace(quiet_s=None), ids[1]: QUIET._replace(quiet_s=0.0)})
    assert (await view(swarm)).quiet == []

    say({ids[0]: QUIET})
    say({})
    assert (await view(swarm)).quiet == [], "no program runs"


async def test_only_some_are_shown(swarm: EngineHarness) -> None:
    names = [f"t{number}" for number in range(SHOWN_QUIET + 2)]
    await swarm.add(*map(task, names))
    worker = await swarm.worker(slots=len(names))
    claims = [await worker.claim(name) for name in names]
    for claim in claims:
        await worker.start(claim)
    identity = worker.server_side.identity
    ids = [claim.lease_id for claim in claims]
    running: dict[str, ReportedSigns] = dict.fromkeys(ids, QUIET)

    swarm.swarm.workers.heartbeat(identity.name, identity.incarnation, ids, leaving=False, running=running)

    assert len((await view(swarm)).quiet) == SHOWN_QUIET
