"""Plans over HTTP: a task file in JSON or YAML is added whole or not at all, and a repetition changes nothing."""

import json
from typing import Any

import httpx
import pytest

from support.web import Web

YAML = "tasks:\n  - id: a\n    description: Do it.\n  - id: b\n    dependencies: [a]\n"
PLAN = json.dumps({"tasks": [{"id": "a", "description": "Do it."}, {"id": "b", "dependencies": ["a"]}]})
COUNTS = {"added": 2, "changed": 0, "unchanged": 0, "dry_run": False, "warnings": []}


async def send(
    dashboard: Web, body: str | bytes, *, kind: str = "application/yaml", dry_run: str = "", **headers: str
) -> httpx.Response:
    query = {"dry_run": dry_run} if dry_run else {}
    sent = dashboard.program().headers | {"Content-Type": kind} | headers
    return await dashboard.http.post("/api/tasks", content=body, params=query, headers=sent)


async def total(dashboard: Web) -> int:
    return int((await dashboard.program().get("/api/tasks"))["total"])


@pytest.mark.parametrize(("kind", "body"), [("application/yaml", YAML), ("application/json", PLAN)])
async def test_a_task_file_is_added(dashboard: Web, kind: str, body: str) -> None:
    tried = await send(dashboard, body, kind=kind, dry_run="true")
    assert (tried.status_code, tried.json()) == (200, COUNTS | {"dry_run": True})
    assert await total(dashboard) == 0

    assert (await send(dashboard, body, kind=kind)).json() == COUNTS
    assert (await send(dashboard, body, kind=kind)).json() == COUNTS | {"added": 0, "unchanged": 2}
    assert (await dashboard.program().get("/api/tasks/b"))["blocked_by"] == ["a"]


async def test_a_repetition_with_the_same_key_gets_the_first_answer(dashboard: Web) -> None:
    key = {"Idempotency-Key": "nightly-1"}

    assert [(await send(dashboard, YAML, **key)).json() for _ in range(2)] == [COUNTS, COUNTS]
    other = await send(dashboard, PLAN, kind="application/json", **key)
    assert (other.status_code, other.json()["error"]["reason"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    wrong = await send(dashboard, YAML, **{"Idempotency-Key": "two words"})
    assert (wrong.status_code, wrong.json()["error"]["reason"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (YAML.replace("[a]", "[ghost]"), {"place": "line 5", "message": "ghost"}),
        (YAML.replace("id: b", "id: b\n    priority: soon"), {"place": "line 5", "message": "priority"}),
        ("", {"place": "line 1", "message": "top level must be a mapping"}),
        ("tasks: [", {"place": "line", "message": ""}),
        ('{"tasks": [{"id": "a", "description": "\\ud800"}]}', {"place": "line 1", "message": ""}),
        ("tasks: [{id: a, description: \x07}]", {"place": "line 1", "message": "control character"}),
    ],
    ids=["unknown dependency", "wrong value", "empty", "broken", "half a character", "control character"],
)
async def test_faults_have_their_lines_and_nothing_is_stored(
    dashboard: Web, body: str, fault: dict[str, str]
) -> None:
    answer = await send(dashboard, body)

    error: dict[str, Any] = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (400, "INVALID_TASKS")
    assert error["faults"][0]["place"].startswith(fault["place"])
    assert fault["message"] in error["faults"][0]["message"]
    assert await total(dashboard) == 0


async def test_other_bodies_and_callers_are_refused(dashboard: Web) -> None:
    form = await send(dashboard, YAML, kind="text/plain")
    assert (form.status_code, form.json()["error"]["reason"]) == (415, "CONTENT_TYPE_REFUSED")
    assert "application/yaml" in form.json()["error"]["message"]
    latin = await send(dashboard, b"tasks: [{id: \xe9}]")
    assert (latin.status_code, latin.json()["error"]["message"]) == (
        400,
        "body: is not valid UTF-8 at byte 13",
    )
    assert (await send(dashboard, YAML, dry_run="perhaps")).status_code == 400
    assert (await send(dashboard, b"#" * (16 * 1024 * 1024 + 1))).status_code == 413
    viewer = dashboard.program(await dashboard.token("viewer"))
    headers = viewer.headers | {"Content-Type": "application/yaml"}
    assert (await dashboard.http.post("/api/tasks", content=YAML, headers=headers)).status_code == 403
    assert await total(dashboard) == 0
