"""The routes of changes: the command line's document, the patch as a download, and what is not there."""

from typing import Any

import pytest

from amplifier_swarm.documents.changes import diff_document
from amplifier_swarm.v1 import operator_service_pb2 as pb
from amplifier_swarm.v1 import session_pb2, task_pb2
from support.grpc_worker import GrpcWorker
from support.web import Web

CLONES: dict[str, Any] = {
    "repository": "host:/repo",
    "target": "swarm/main",
    "workspace": task_pb2.WORKSPACE_KIND_CLONE,
}
BASE, HEAD = "a" * 40, "b" * 40
PATCH = "diff --git a/x.html b/x.html\n+<script>window.hit = 1</script>\n"
REJECTED = session_pb2.Verdict(passed=False, summary="no")


def change(number: int = 1, patch: str = PATCH) -> task_pb2.Change:
    files = [task_pb2.ChangedFile(path="x.html", status="M", added=1, removed=0)]
    ref = f"refs/swarm/a/{number}"
    return task_pb2.Change(base=BASE, head=HEAD, ref=ref, files=files, file_count=1, patch=patch)


async def attempts(dashboard: Web, *changes: task_pb2.Change | None) -> None:
    """Lets the task `a` fail once for each change."""
    client = dashboard.server.client()
    await client.add(task_pb2.TaskDefinition(task_id="a", max_retries=9))
    hand = GrpcWorker(client, **CLONES)
    for found in changes:
        reported = {} if found is None else {"change": found}
        await hand.work("failed", error="no", verdict=REJECTED, **reported)


@pytest.mark.slow
async def test_a_change_is_the_document_of_the_command_line(dashboard: Web) -> None:
    await attempts(dashboard, change(1), change(2), None)
    program = dashboard.program(await dashboard.token("viewer"))

    latest = await program.get("/api/tasks/a/diff")
    first = await program.get("/api/tasks/a/diff", attempt=1)

    call = dashboard.server.client().call
    assert latest == diff_document(await call("DiffTask", pb.DiffTaskRequest(task_id="a")))
    assert (latest["attempt"], first["attempt"]) == (2, 1)
    assert (latest["patch"], latest["ref"]) == (PATCH, "refs/swarm/a/2")


async def test_a_patch_is_text_that_a_browser_saves(dashboard: Web) -> None:
    await attempts(dashboard, change())
    headers = dashboard.program().headers

    found = await dashboard.http.get("/api/tasks/a/patch", headers=headers)

    assert (found.status_code, found.text) == (200, PATCH)
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert found.headers["content-disposition"] == 'attachment; filename="a-attempt-1.patch"'
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_patch_that_was_too_long_is_refused_with_the_command_that_shows_it(dashboard: Web) -> None:
    await attempts(dashboard, change(patch=""))
    program = dashboard.program()

    document = await program.get("/api/tasks/a/diff")
    refused = await program.get("/api/tasks/a/patch", expect=404)

    assert document["patch"] is None
    assert refused["error"]["reason"] == "PATCH_NOT_STORED"
    assert f"git diff {BASE} {HEAD}" in refused["error"]["message"]


async def test_an_attempt_that_changed_nothing_has_an_empty_patch(dashboard: Web) -> None:
    await attempts(dashboard, task_pb2.Change(base=BASE, head=BASE))

    found = await dashboard.http.get("/api/tasks/a/patch", headers=dashboard.program().headers)

    assert (found.status_code, found.text) == (200, "")


@pytest.mark.slow
async def test_what_is_not_there_is_refused(dashboard: Web) -> None:
    await attempts(dashboard, change(), None)
    program = dashboard.program()

    for route in ("diff", "patch"):
        absent = await program.get(f"/api/tasks/a/{route}", attempt=2, expect=404)
        assert absent["error"]["reason"] == "CHANGE_NOT_FOUND"
        unknown = await program.get(f"/api/tasks/ghost/{route}", expect=404)
        assert unknown["error"]["reason"] == "TASK_NOT_FOUND"
        wrong = await program.get(f"/api/tasks/a/{route}", attempt="first", expect=400)
        assert "attempt" in wrong["error"]["message"]
        worker = dashboard.program(await dashboard.token("worker"))
        await worker.get(f"/api/tasks/a/{route}", expect=403)
