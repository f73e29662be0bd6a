"""The OpenAPI document is complete and true: it has every route, and every response matches its schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from amplifier_swarm.v1 import session_pb2, task_pb2
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason, HttpErrorReason
from amplifier_swarm.v1.task_pb2 import TaskDefinition
from contract.repository import ROOT
from support.grpc_worker import RECEIPT, GrpcWorker
from support.web import Web
from swarmd.web.api import charts
from swarmd.web.app import OPENAPI_PATH
from swarmd.web.http.errors import STATUS
from swarmd.web.http.schemas import SCHEMAS
from swarmd.web.routes import ROUTES
from swarmd.wire.roles import OPERATOR_SERVICE

BUILT = session_pb2.BuilderResult(
    status="completed", files_created=["a.py"], tests_written=True, implementation_notes="done",
    answers=[session_pb2.FindingAnswer(finding_id="a1f1", kind=session_pb2.FINDING_ANSWER_KIND_FIXED)],
)  # fmt: skip
REJECTED = session_pb2.Verdict(
    passed=False, confidence=0.9, summary="no",
    findings=[session_pb2.Finding(finding_id="a1f1", file="a.py", issue="wrong", severity="major")],
)  # fmt: skip
CHANGED = task_pb2.Change(
    base="a" * 40, head="b" * 40, ref="refs/swarm/built/1", file_count=2, patch="+x = 1\n", ignored=["cache"],
    files=[task_pb2.ChangedFile(path="a.py", status="M", added=1, removed=0),
           task_pb2.ChangedFile(path="b.png", status="A")],
)  # fmt: skip
CHECK = session_pb2.CheckResult(command="pytest", exit_code=1, output_tail="failed")


async def live(dashboard: Web) -> None:
    """Makes a swarm with some of every kind of record."""
    client = dashboard.server.client()
    await client.add(
        TaskDefinition(task_id="built", name="Built", phase="one", estimated_hours=1.5, checks=["pytest"],
                       labels={}, acceptance_criteria=["works"], files=["a.py"], max_retries=1, priority=9),
        TaskDefinition(task_id="killed", phase="two", priority=5),
        TaskDefinition(task_id="runs", priority=3),
        TaskDefinition(task_id="waits", dependencies=["runs", "built"], phase="one"),
    )  # fmt: skip
    hand = GrpcWorker(
        client, repository="host:/repo", target="swarm/main", workspace=task_pb2.WORKSPACE_KIND_CLONE
    )
    claim = await hand.claim()
    session = await hand.start(claim)
    await hand.say(claim, session, "one", cost="0.5")
    await hand.say(claim, session, "nine", first=9)
    await hand.end(claim, session)
    await hand.finish(
        claim,
        "failed",
        error="rejected",
        builder_result=BUILT,
        checks=[CHECK],
        verdict=REJECTED,
        change=CHANGED,
    )
    claim = await hand.claim()
    await hand.start(claim)
    await dashboard.program().post(f"/api/tasks/{claim.task.task_id}/kill", {"cause": "dear"}, expect=202)
    await hand.finish(claim, "stopped", kill_receipt=RECEIPT)
    claim = await hand.claim()
    await hand.start(claim)


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields requests for each route: method, path with a query, body."""
    bodies: dict[str, dict[str, Any]] = {
        "/api/tasks": {"tasks": [{"id": "more", "description": "Do more."}]},
        "/api/tasks/{id}/dependencies": {"dependency": "killed"},
        "/api/tasks/kill": {"filter": {"status": ["completed"]}, "dry_run": True},
        "/api/tasks/retry": {"ids": ["waits", "ghost"]},
    }
    for route in ROUTES:
        path = route.path.replace("{id}", "built").replace("{name}", "w1").replace("{dependency}", "runs")
        if route.method == "DELETE":
            path = path.replace("built", "waits")
        yield route.method, path, bodies.get(route.path, {})
    for path in ("/api/tasks/killed", "/api/tasks/runs", "/api/tasks/waits/explain", "/api/graph?phase=one"):
        yield "GET", path, {}
    for path in ("/api/tasks/runs/diff", "/api/tasks/ghost", "/api/tasks?limit=0", "/nothing"):
        yield "GET", path, {}


def schema_of(description: Any, method: str, path: str, status: int) -> Any:
    """Returns the schema of a response."""
    plain = path.partition("?")[0]
    for pattern, operations in description["paths"].items():
        parts, wanted = plain.split("/"), pattern.split("/")
        fits = len(parts) == len(wanted) and all(
            part == name or name.startswith("{") for part, name in zip(parts, wanted, strict=True)
        )
        if fits and method.lower() in operations and (plain == pattern or plain not in description["paths"]):
            responses = operations[method.lower()]["responses"]
            content = responses.get(str(status), responses["default"])["content"]
            return next(iter(content.values()))["schema"]
    return {"$ref": "#/components/schemas/Error"}


def check(description: Any, schema: Any, document: Any) -> None:
    whole = {**schema, "components": description["components"]}
    jsonschema.Draft202012Validator(
        whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(document)


async def ask(dashboard: Web, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
    more: dict[str, Any] = {"json": body} if method == "POST" else {}
    return await dashboard.http.request(method, path, headers=dashboard.program().headers, **more)


async def test_every_response_matches_its_schema(dashboard: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    description = (await dashboard.http.get(OPENAPI_PATH)).json()
    await live(dashboard)

    for method, path, body in requests():
        if path in ("/login", "/logout", "/api/emergency-stop", "/metrics"):
            continue
        answer = await ask(dashboard, method, path, body)
        document = answer.text if path.endswith("/patch") else answer.json()
        check(description, schema_of(description, method, path, answer.status_code), document)
    for path in ("/login", "/logout", "/api/emergency-stop"):
        answer = await ask(
            dashboard, "POST", path, {"token": dashboard.server.token} if path == "/login" else {}
        )
        assert answer.status_code == 200, answer.text
        check(description, schema_of(description, "POST", path, 200), answer.json())
    monkeypatch.setattr(charts, "MAX_NODES", 1)
    phases = (await ask(dashboard, "GET", "/api/graph", {})).json()
    assert phases["phases"]
    check(description, schema_of(description, "GET", "/api/graph", 200), phases)


async def test_the_description_has_every_route_and_field(dashboard: Web) -> None:
    description = (await dashboard.http.get(OPENAPI_PATH)).json()

    assert {(method.upper(), path) for path, found in description["paths"].items() for method in found} == {
        (route.method, route.path) for route in ROUTES
    }
    for route in ROUTES:
        operation = description["paths"][route.path][route.method.lower()]
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        assert named == {field.name for field in route.query}
        if route.body:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            assert set(body["properties"]) == {field.name for field in route.body}
        assert route.answer in SCHEMAS
        assert all(field.about.endswith(".") for field in (*route.query, *route.body))
    ids = [op["operationId"] for found in description["paths"].values() for op in found.values()]
    assert len(ids) == len(set(ids))


def test_every_schema_exists_and_is_used() -> None:
    text = str(SCHEMAS)
    used = {route.answer for route in ROUTES} | {"Error"}

    for name in SCHEMAS:
        assert name in used or f"schemas/{name}'" in text, name


def test_every_route_has_the_roles_of_a_method_that_exists() -> None:
    assert {route.rpc for route in ROUTES} - {""} <= set(OPERATOR_SERVICE)


def test_http_can_do_what_grpc_can_or_the_page_says_why_not() -> None:
    page = (ROOT / "docs/http.md").read_text()
    reasons = page.partition("gRPC alone has")[2].partition("## Logs")[0]
    routed = {route.rpc for route in ROUTES}

    for method in OPERATOR_SERVICE:
        assert (method in routed) != (f"`{method}`" in reasons), method


def test_every_reason_of_the_contract_has_a_status_and_no_other_has() -> None:
    named = {name.removeprefix("ERROR_REASON_") for name, _ in ErrorReason.items()}
    named |= {name.removeprefix("HTTP_ERROR_REASON_") for name, _ in HttpErrorReason.items()}

    assert {error.reason for error in STATUS} == named - {"UNSPECIFIED"}
    assert len({error.reason for error in STATUS}) == len(STATUS)
    assert min(STATUS.values()) >= 400


def test_the_status_of_each_http_reason_is_the_one_that_the_contract_names() -> None:
    text = (ROOT / "protos/amplifier_swarm/v1/error_reason.proto").read_text().partition("HttpErrorReason")[2]
    flat = " ".join(text.replace("//", "").split())

    for name, number in HttpErrorReason.items():
        if number:
            said = flat.partition(f" {name} =")[0].rpartition("Status ")[2].partition(".")[0]
            reason = name.removeprefix("HTTP_ERROR_REASON_")
            [status] = [status for error, status in STATUS.items() if error.reason == reason]
            assert int(said) == status, name


def test_the_page_on_http_names_every_route() -> None:
    page = Path(ROOT / "docs/http.md").read_text()

    for route in ROUTES:
        assert f"`{route.method} {route.path}" in page, route.path
    assert "WS /ws" in page
