"""Artifacts: stored whole under a valid lease and within the limits, removed by age, and never half there."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.engine import EngineHarness, FakeWorker, engine_harness, outcome, task
from swarmd.domain import artifacts as rules
from swarmd.domain.artifacts import ArtifactLimits, ArtifactUpload, UploadAnswer, name_problem
from swarmd.domain.claim import Claim
from swarmd.domain.errors import ArtifactNotFound, ArtifactRefused, InvalidRequest, StorageFull
from swarmd.domain.model import OrderAction, WorkerName
from swarmd.engine.attempts.artifacts import Artifacts
from swarmd.store.file.artifact_folder import SETTLED_S, ArtifactFolder
from swarmd.store.transaction import ReadTx

DAY_S = 86_400.0


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def artifacts_of(swarm: EngineHarness, **limits: float) -> Artifacts:
    return Artifacts(swarm.swarm.db, ArtifactLimits(**limits), swarm.clock)  # type: ignore[arg-type]


async def building(swarm: EngineHarness, task_id: str = "a") -> tuple[FakeWorker, Claim]:
    """Adds a task and starts its builder."""
    await swarm.add(task(task_id, max_retries=9))
    worker = await swarm.worker(f"w-{task_id}")
    claim = await worker.claim(task_id)
    assert await worker.start(claim) is None
    return worker, claim


async def put(
    artifacts: Artifacts, worker: FakeWorker, claim: Claim, name: str, content: bytes, *, size: int = -1
) -> UploadAnswer:
    upload = ArtifactUpload(worker.name, claim.lease_id, name, len(content) if size < 0 else size)
    half = len(content) // 2
    return await artifacts.store(upload, chunks(content[:half], content[half:]))


async def read(artifacts: Artifacts, name: str, *, number: int = 0) -> bytes:
    opened = await artifacts.open("a", name, number=number)
    with opened.file as file:
        return file.read()


def files(swarm: EngineHarness) -> list[Path]:
    return [path for path in swarm.path.with_name("swarm.db.artifacts").rglob("*") if path.is_file()]


async def totals_are_true(swarm: EngineHarness) -> bool:
    def compare(tx: ReadTx) -> bool:
        counted = tx._connection.execute("SELECT coalesce(sum(size), 0) FROM artifacts").get
        return bool(counted == tx._connection.execute("SELECT bytes FROM artifact_totals").get)

    return await swarm.swarm.db.read(compare)


async def test_a_stored_artifact_is_found_by_its_name_and_its_content_is_private(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)

        answer = await put(artifacts, worker, claim, "a/one.txt", b"content")

        assert answer.sha256 == hashlib.sha256(b"content").hexdigest()
        [state] = await artifacts.of_task("a", number=0)
        assert (state.record.number, state.record.name, state.record.size) == (1, "a/one.txt", 7)
        assert not state.lost
        assert await read(artifacts, "a/one.txt") == b"content"
        [file] = files(swarm)
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(ArtifactNotFound, match="is none of its artifacts"):
            await artifacts.open("a", "other", number=0)


async def test_equal_contents_share_a_file_and_a_name_is_replaced(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)

        await put(artifacts, worker, claim, "one", b"same")
        await put(artifacts, worker, claim, "two", b"same")
        assert len(files(swarm)) == 1
        await put(artifacts, worker, claim, "one", b"newer")

        assert [state.record.size for state in await artifacts.of_task("a", number=0)] == [5, 4]
        assert await read(artifacts, "one") == b"newer"
        assert await totals_are_true(swarm)


async def test_the_latest_attempt_with_that_name_is_read(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)
        await put(artifacts, worker, claim, "one", b"first")
        await put(artifacts, worker, claim, "two", b"only first")
        await worker.finish(claim, outcome("failed", failure="agent_error"))
        await swarm.after_backoff()
        second = await worker.claim("a")
        assert second.number == 2
        await put(artifacts, worker, second, "one", b"second")

        assert await read(artifacts, "one") == b"second"
        assert await read(artifacts, "one", number=1) == b"first"
        assert await read(artifacts, "two") == b"only first"
        listed = [
            (state.record.number, state.record.name) for state in await artifacts.of_task("a", number=0)
        ]
        assert listed == [(2, "one"), (1, "one"), (1, "two")]


async def test_without_the_lease_nothing_is_stored(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)
        foreign = ArtifactUpload(WorkerName("other"), claim.lease_id, "one", 1)
        assert (await artifacts.store(foreign, chunks(b"x"))).order is not None
        forged = ArtifactUpload(worker.name, claim.lease_id[:-1] + "!", "one", 1)
        assert (await artifacts.store(forged, chunks(b"x"))).order is not None
        await worker.finish(claim, outcome("completed"))

        answer = await put(artifacts, worker, claim, "one", b"x")

        assert answer.order is not None
        assert answer.order.action is OrderAction.ABANDON
        assert await artifacts.of_task("a", number=0) == []
        assert files(swarm) == []


async def test_a_lease_that_ends_in_the_upload_stores_nothing(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)

        async def ending() -> AsyncIterator[bytes]:
            yield b"x"
            await worker.finish(claim, outcome("completed"))

        answer = await artifacts.store(ArtifactUpload(worker.name, claim.lease_id, "one", 1), ending())

        assert answer.order is not None
        assert await artifacts.of_task("a", number=0) == []
        await artifacts.settle()
        assert files(swarm) == []


@pytest.mark.parametrize("size", [0, 6, 8])
async def test_a_content_of_another_length_is_refused_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)

        with pytest.raises(InvalidRequest, match="another length"):
            await put(artifacts, worker, claim, "one", b"content", size=size)

        assert files(swarm) == []


@pytest.mark.parametrize(
    ("limits", "flag"),
    [
        ({"file_bytes": 9}, "--artifact-file-limit"),
        ({"task_bytes": 14}, "--artifact-task-limit"),
        ({"total_bytes": 19}, "--artifact-total-limit"),
    ],
)
async def test_each_limit_is_kept(tmp_path: Path, limits: dict[str, float], flag: str) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        other, other_claim = await building(swarm, "b")
        artifacts = artifacts_of(swarm, **limits)
        await put(artifacts, other, other_claim, "five", b"b" * 5)
        await put(artifacts, worker, claim, "five", b"a" * 5)
        # It replaces itself, so it needs no more room.
        await put(artifacts, worker, claim, "five", b"c" * 5)

        with pytest.raises(ArtifactRefused, match=flag):
            await put(artifacts, worker, claim, "ten", b"d" * 10)

        assert len(await artifacts.of_task("a", number=0)) == 1
        assert await totals_are_true(swarm)


async def test_uploads_under_way_count_for_the_limit_of_all(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm, total_bytes=10)
        refused: list[str] = []

        async def beside() -> AsyncIterator[bytes]:
            try:
                await put(artifacts, worker, claim, "two", b"six by")
            except ArtifactRefused as error:
                refused.append(error.message)
            yield b"six by"

        await artifacts.store(ArtifactUpload(worker.name, claim.lease_id, "one", 6), beside())

        assert len(refused) == 1
        await put(artifacts, worker, claim, "two", b"four")


async def test_a_task_has_a_limited_number_of_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_PER_TASK", 1)
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)
        await put(artifacts, worker, claim, "one", b"x")

        with pytest.raises(ArtifactRefused, match="the most that a task may have"):
            await put(artifacts, worker, claim, "two", b"x")


async def test_an_artifact_is_removed_when_its_days_are_over(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm, keep_s=2 * DAY_S)
        await put(artifacts, worker, claim, "old", b"old")
        await put(artifacts, worker, claim, "shared", b"both")
        swarm.clock.wall_offset_us += round(3 * DAY_S * 1_000_000)
        await put(artifacts, worker, claim, "new", b"both")
        for file in files(swarm):
            age_s = time.time() - 2 * SETTLED_S
            os.utime(file, (age_s, age_s))

        upkeep = await artifacts.prune()

        assert upkeep == (2, 1, 0)
        assert [state.record.name for state in await artifacts.of_task("a", number=0)] == ["new"]
        assert await read(artifacts, "new") == b"both"
        assert len(files(swarm)) == 1
        assert await totals_are_true(swarm)


async def test_a_round_leaves_a_young_content_alone_whose_row_is_on_the_way(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        artifacts = artifacts_of(swarm)
        folder = ArtifactFolder(tmp_path / "swarm.db.artifacts")
        draft = folder.draft()
        draft.write(b"x")
        folder.keep(draft, draft.finish())

        assert (await artifacts.prune()).removed == 0
        # A start knows that no upload is under way.
        assert (await artifacts.settle()).removed == 1


async def test_a_start_removes_what_a_crash_has_left_and_tells_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "swarm.db"
    async with engine_harness(path) as swarm:
        worker, claim = await building(swarm)
        await put(artifacts_of(swarm), worker, claim, "kept", b"kept")
        await put(artifacts_of(swarm), worker, claim, "lost", b"lost")
        folder = ArtifactFolder(tmp_path / "swarm.db.artifacts")
        (folder.path / "drafts" / "half").write_bytes(b"ha")
        orphan = folder.draft()
        orphan.write(b"without a row")
        folder.keep(orphan, orphan.finish())
        folder.remove(hashlib.sha256(b"lost").hexdigest(), older_than_s=0)
        assert len(files(swarm)) == 3

    async with engine_harness(path) as swarm:
        artifacts = artifacts_of(swarm)
        assert await artifacts.settle() == (0, 1, 1)

        assert [file.read_bytes() for file in files(swarm)] == [b"kept"]
        states = await artifacts.of_task("a", number=0)
        assert [(state.record.name, state.lost) for state in states] == [("kept", False), ("lost", True)]
        with pytest.raises(ArtifactNotFound, match="can't be read at the server"):
            await artifacts.open("a", "lost", number=0)


async def test_the_artifacts_of_removed_tasks_go_with_them(tmp_path: Path) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)
        await put(artifacts, worker, claim, "one", b"x")
        await worker.finish(claim, outcome("completed"))

        await swarm.add(task("b"), clear=True)

        assert await totals_are_true(swarm)
        assert (await artifacts.settle()).removed == 1


async def test_a_disk_that_takes_no_more_is_reported_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine_harness(tmp_path / "swarm.db") as swarm:
        worker, claim = await building(swarm)
        artifacts = artifacts_of(swarm)

        def full(_folder: ArtifactFolder, _draft: object, _sha256: str) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(ArtifactFolder, "keep", full)
        with pytest.raises(StorageFull, match="the artifact can't be written: No space left"):
            await put(artifacts, worker, claim, "one", b"x")

        assert files(swarm) == []
        assert await artifacts.of_task("a", number=0) == []


@pytest.mark.parametrize(
    "name", ["a", "a/b c.png", "-rf", "a\nb\x1b[2J", "c:\\x", "<script>", ".hidden", "ä/\u202e"]
)
def test_odd_names_are_data(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", ".", "./a", "a\0b", "x" * 1_001]
)
def test_a_name_that_is_no_path_inside_the_workspace_is_refused(name: str) -> None:
    assert name_problem(name)
