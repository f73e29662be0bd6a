"""Attempts in clones of their own: a real worker and real repositories, in front of a fake server."""

from pathlib import Path

import pytest

from amplifier_swarm.v1 import task_pb2
from fakes.swarm_server import FakeSwarm, WorkerProcess, claim, outcome_of, stop, write_script
from support.git_repositories import COMMIT, git, head, log, new_repository, show

pytestmark = pytest.mark.slow


async def test_work_lands_on_the_target_and_the_checkout_stays_as_it_is(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    (worker.project / "one.txt").write_text("mine\n")
    build = write_script(
        tmp_path, "build", f"echo one > new\ngit add new\n{COMMIT} -m 'step one'\necho two > other"
    )
    worker.start("--workspace", "clone", builder=build)

    outcome = await outcome_of(fake, worker, claim("t1", name="Add new", checks=["test -f other"]))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert outcome.landing.target == "swarm/main"
    assert outcome.landing.commit == git(worker.project, "rev-parse", "swarm/main")
    assert outcome.landing.onto == start
    assert log(worker.project, "swarm/main") == ["Add new", "first"]
    assert show(worker.project, "swarm/main", "other") == "two"
    assert [file.path for file in outcome.change.files] == ["new", "other"]
    assert git(worker.project, "rev-parse", "refs/swarm/t1/1") == outcome.change.head
    assert git(worker.project, "rev-parse", "HEAD") == start
    assert git(worker.project, "status", "--porcelain") == " M one.txt"
    assert fake.registered[0].target == "swarm/main"
    assert fake.registered[0].repository.endswith(f"{worker.project}/.git")
    assert "files that are not committed are not in the clones" in worker.err


async def test_work_that_meets_other_work_is_checked_again_on_the_combination(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    build = write_script(
        tmp_path,
        "build",
        f"""
        echo one > mine
        cd {worker.project} && git checkout -q swarm/main && echo theirs > theirs && git add -A
        {COMMIT} -m theirs; git checkout -q main
    """,
    )
    worker.start("--workspace", "clone", builder=build)

    task = claim("t1", checks=["test -f mine && ls >> ../seen"], landing_checks=["test -f theirs"])
    outcome = await outcome_of(fake, worker, task)

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert log(worker.project, "swarm/main") == ["t1", "theirs", "first"]
    assert outcome.landing.onto == git(worker.project, "rev-parse", "swarm/main~1")


async def test_a_conflict_ends_the_attempt_with_the_files_as_findings(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project, {"shared": "start\n"})
    build = write_script(
        tmp_path,
        "build",
        f"""
        echo mine > shared
        cd {worker.project} && git checkout -q swarm/main && echo theirs > shared && git add -A
        {COMMIT} -m 'theirs' -m 'Swarm-Task: other'; git checkout -q main
    """,
    )
    worker.start("--workspace", "clone", builder=build)

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_LANDING_CONFLICT
    assert outcome.error == "the work conflicts with swarm/main, which landed with other: shared"
    assert [finding.file for finding in outcome.verdict.findings] == ["shared"]
    assert show(worker.project, outcome.change.ref, "shared") == "mine"
    assert show(worker.project, "swarm/main", "shared") == "theirs"


async def test_a_red_combination_does_not_land(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo one > mine"))

    outcome = await outcome_of(fake, worker, claim("t1", landing_checks=["echo no good; exit 3"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_LANDING_FAILED
    assert "no good" in outcome.verdict.findings[0].issue
    assert git(worker.project, "rev-parse", "swarm/main") == start


async def test_a_landing_that_nobody_heard_of_is_found_without_a_session(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    git(worker.project, "checkout", "-q", "-b", "swarm/main")
    trailers = "Swarm-Task: t1\nSwarm-Attempt: 1\nSwarm-Id: 0123456789ab"
    git(worker.project, "commit", "-q", "--allow-empty", "-m", "landed", "-m", trailers)
    git(worker.project, "checkout", "-q", "main")
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "touch ran"))

    outcome = await outcome_of(fake, worker, claim("t1", attempt=2, first_base=start))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert (outcome.landing.found, outcome.landing.commit) == (
        True,
        git(worker.project, "rev-parse", "swarm/main"),
    )
    assert not fake.starts


async def test_the_landing_of_another_swarm_is_not_taken_for_ones_own(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    git(worker.project, "checkout", "-q", "-b", "swarm/main")
    git(
        worker.project,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
        "-m",
        "Swarm-Task: t1\nSwarm-Id: ffffffffffff",
    )
    git(worker.project, "checkout", "-q", "main")
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo one > mine"))

    outcome = await outcome_of(fake, worker, claim("t1", attempt=2, first_base=start))

    assert not outcome.landing.found
    assert len(fake.starts) == 1


async def test_a_killed_builder_s_work_is_kept(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    worker.start(
        "--workspace",
        "clone",
        builder=write_script(tmp_path, "build", "echo half > half; echo up; sleep 600"),
    )
    await worker.until(lambda: fake.registered, what="it registers")
    sent = claim("t1")
    fake.send(claims=[sent])
    await worker.until(lambda: any(fake.entries.values()), what="it prints")
    fake.send(orders=[stop(sent.lease_id)])
    await worker.until(lambda: sent.lease_id in fake.outcomes, what="an outcome")

    outcome = fake.outcomes[sent.lease_id]
    assert outcome.kind == task_pb2.OUTCOME_KIND_STOPPED
    assert outcome.change.ref == "refs/swarm/t1/1"
    assert show(worker.project, outcome.change.ref, "half") == "half"


async def test_the_work_in_the_clone_of_a_killed_worker_is_kept_at_the_next_start(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    worker.start(
        "--workspace",
        "clone",
        builder=write_script(tmp_path, "build", "echo half > half; echo up; sleep 600"),
    )
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: any(fake.entries.values()), what="it prints")
    worker.end()
    worker.start("--workspace", "clone")
    await worker.until(lambda: len(fake.registered) == 2, what="it registers again")

    assert show(worker.project, "refs/swarm/t1/1", "half") == "half"


@pytest.mark.parametrize("left", ["control/index.lock", "work/.git/index.lock", "work/.git/HEAD"])
async def test_what_a_killed_git_left_in_a_clone_does_not_hide_its_work(
    left: str, fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    worker.start(
        "--workspace",
        "clone",
        builder=write_script(tmp_path, "build", "echo half > half; echo up; sleep 600"),
    )
    await worker.until(lambda: fake.registered, what="it registers")
    fake.send(claims=[claim("t1")])
    await worker.until(lambda: any(fake.entries.values()), what="it prints")
    worker.end()
    clone = _only_clone(tmp_path)
    (clone / left).write_text("")
    unfinished = clone.with_name("t2-a1-clone-1")
    (unfinished / "work").mkdir(parents=True)
    worker.start("--workspace", "clone")
    await worker.until(lambda: len(fake.registered) == 2, what="it registers again")

    assert show(worker.project, "refs/swarm/t1/1", "half") == "half"
    assert not unfinished.exists()


async def test_work_of_another_swarm_under_the_same_name_is_not_replaced(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    git(worker.project, "commit", "-q", "--allow-empty", "-m", "of another swarm")
    other = git(worker.project, "rev-parse", "HEAD")
    git(worker.project, "update-ref", "refs/swarm/t1/1", other)
    git(worker.project, "reset", "-q", "--hard", "HEAD~1")
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo one > mine"))

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert outcome.change.ref == "refs/swarm/t1/1.2"
    assert git(worker.project, "rev-parse", "refs/swarm/t1/1") == other


async def test_what_a_validator_changes_is_thrown_away_and_said(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    validate = write_script(tmp_path, "validate", 'echo bad > mine; touch more; echo \'{"verdict": "PASS"}\'')
    worker.start(
        "--workspace",
        "clone",
        builder=write_script(tmp_path, "build", "echo good > mine"),
        validator=validate,
    )

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED, outcome
    assert show(worker.project, "swarm/main", "mine") == "good"
    assert git(worker.project, "ls-tree", "--name-only", "swarm/main") == "mine\none.txt\ntwo.txt"
    said = "the validator changed files, and the changes were thrown away: mine, more"
    lines = [entry.text for entries in fake.entries.values() for entry in entries]
    assert any(said in line for line in lines), lines


async def test_a_setup_that_fails_is_a_fault_of_the_set_up_and_starts_no_session(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo one > mine"))

    outcome = await outcome_of(fake, worker, claim("t1", setup=["true", "echo no such package; exit 9"]))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_BAD_CONFIG
    assert "no such package" in outcome.error
    assert not fake.starts


async def test_a_builder_that_changes_nothing_has_not_built(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo done"))

    outcome = await outcome_of(fake, worker, claim("t1"))
    looked = await outcome_of(fake, worker, claim("t2", changes=task_pb2.EXPECTED_CHANGES_NONE))

    assert outcome.failure_class == task_pb2.FAILURE_CLASS_AGENT_ERROR
    assert "changed no file" in outcome.error
    assert looked.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert looked.landing.commit == start


async def test_a_task_that_is_not_to_land_stays_on_its_ref(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo one > mine"))

    outcome = await outcome_of(fake, worker, claim("t1", land=False))

    assert outcome.kind == task_pb2.OUTCOME_KIND_COMPLETED
    assert not outcome.HasField("landing")
    assert show(worker.project, outcome.change.ref, "mine") == "one"
    assert git(worker.project, "rev-parse", "swarm/main") == start
    # The commands of docs/workspaces.md.
    git(worker.project, "merge", "--squash", outcome.change.ref)
    git(worker.project, "commit", "-m", "Draft the announcement")
    assert show(worker.project, "main", "mine") == "one"


async def test_a_claim_that_needs_a_commit_which_is_not_there_is_given_back(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    worker.start("--workspace", "clone", builder=write_script(tmp_path, "build", "echo one > mine"))

    outcome = await outcome_of(fake, worker, claim("t1", base="1" * 40))

    assert outcome.kind == task_pb2.OUTCOME_KIND_DECLINED
    assert f"the commit {'1' * 40} of the last landing is not in" in outcome.error


async def test_without_room_on_the_disk_claims_are_given_back(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    new_repository(worker.project)
    worker.start("--workspace", "clone", "--min-free-disk", "1000000")

    outcome = await outcome_of(fake, worker, claim("t1"))

    assert outcome.kind == task_pb2.OUTCOME_KIND_DECLINED
    assert "claims are given back" in worker.err
    assert not fake.starts


async def test_a_further_attempt_starts_from_the_work_of_a_rejected_one(
    fake: FakeSwarm, worker: WorkerProcess, tmp_path: Path
) -> None:
    start = head(new_repository(worker.project))
    build = write_script(tmp_path, "build", 'echo "$SWARM_ATTEMPT" >> tries')
    worker.start("--workspace", "clone", builder=build)
    first = await outcome_of(fake, worker, claim("t1", checks=["false"]))
    fake.send(claims=[])

    again = claim(
        "t1-again", task_id="t1", attempt=2, first_base=start, previous_head=first.change.head,
        previous_failure=task_pb2.FAILURE_CLASS_VALIDATION_FAILED,
    )  # fmt: skip
    second = await outcome_of(fake, worker, again)

    assert second.kind == task_pb2.OUTCOME_KIND_COMPLETED, second
    assert show(worker.project, "swarm/main", "tries") == "1\n2"
    assert log(worker.project, "swarm/main") == ["t1", "first"]


def _only_clone(folder: Path) -> Path:
    """Returns the folder of the one clone below a folder."""
    (note,) = folder.glob("**/clone.json")
    return note.parent
