"""The difference of an attempt, in bounded size."""

from pathlib import Path

import pytest

from support.git_repositories import commit_files, git, new_clone
from swarm_worker.workspace.work_change import MAX_FILES, PATCH_BYTES, FileDifference, WorkChange, read_change

pytestmark = pytest.mark.usefixtures("empty_home")


async def change_by(
    tmp_path: Path, before: dict[str, str | bytes | None], after: dict[str, str | bytes | None]
) -> WorkChange:
    clone = await new_clone(tmp_path, before)
    return await read_change(clone, clone.base, commit_files(clone.work, after))


async def test_each_file_has_its_status_and_its_counts(tmp_path: Path) -> None:
    lines = "".join(f"{number}\n" for number in range(20))
    change = await change_by(
        tmp_path,
        {"changed.txt": "1\n2\n", "gone.txt": "a\nb\n", "old name.txt": lines, "picture": b"\0\1"},
        {
            "changed.txt": "1\ntwo\nthree\n",
            "gone.txt": None,
            "old name.txt": None,
            "new\nname.txt": lines + "more\n",
            "picture": b"\0\2",
            "\udcff.txt": "x\n",
        },
    )

    assert change.files == (
        FileDifference("changed.txt", "M", 2, 1),
        FileDifference("gone.txt", "D", 0, 2),
        FileDifference("new\nname.txt", "R", 1, 0),
        FileDifference("picture", "M", None, None),
        FileDifference("\ufffd.txt", "A", 1, 0),
    )
    assert change.file_count == 5
    assert "+three" in change.patch


async def test_the_type_of_a_file_may_change(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)
    (clone.work / "one.txt").unlink()
    (clone.work / "one.txt").symlink_to("two.txt")
    git(clone.work, "commit", "-q", "-a", "-m", "link")

    change = await read_change(clone, clone.base, git(clone.work, "rev-parse", "HEAD"))

    assert [(each.path, each.status) for each in change.files] == [("one.txt", "T")]


async def test_nothing_changed_is_an_empty_change(tmp_path: Path) -> None:
    clone = await new_clone(tmp_path)

    assert await read_change(clone, clone.base, clone.base) == WorkChange(clone.base, clone.base, (), 0, "")


async def test_files_beyond_the_limit_are_counted(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {f"{number:05}.txt": "x\n" for number in range(MAX_FILES + 5)}

    change = await change_by(tmp_path, {"one.txt": "1\n"}, files)

    assert (len(change.files), change.file_count) == (MAX_FILES, MAX_FILES + 5)
    assert change.files[-1].path == f"{MAX_FILES - 1:05}.txt"


async def test_a_patch_beyond_the_limit_is_left_out(tmp_path: Path) -> None:
    change = await change_by(tmp_path, {"one.txt": "1\n"}, {"one.txt": "long line\n" * (PATCH_BYTES // 10)})

    assert change.patch == ""
    assert change.files == (FileDifference("one.txt", "M", PATCH_BYTES // 10, 1),)
