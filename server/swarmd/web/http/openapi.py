"""The OpenAPI description, made from the route table."""

from collections.abc import Sequence
from typing import Any, Final

from amplifier_swarm import __version__
from amplifier_swarm.plan.schema import task_file_schema
from swarmd.web.http.kept_answers import HEADER
from swarmd.web.http.route import Route
from swarmd.web.http.schemas import SCHEMAS

_SECURITY: list[dict[str, list[str]]] = [{"token": []}, {"login": []}]
# No page of another origin can send these without a preflight, which the server does not answer.
TASK_FILE_KINDS: Final = ("application/json", "application/yaml")
_IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "description": "A repeated request with the same key gets the answer of the first.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def describe(routes: Sequence[Route], *, cookie: str) -> dict[str, Any]:
    """Builds the OpenAPI document; `cookie` is the name of the login cookie."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "swarmd",
            "version": __version__,
            "description": "The swarm over HTTP. Bodies are what `swarmctl -o json` prints.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "login": {"type": "apiKey", "in": "cookie", "name": cookie},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handle.__name__,
        "summary": route.about,
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {
            str(route.status): {"description": "Done.", "content": _content(route.answer)},
            "default": {"description": "Refused.", "content": _content("Error")},
        },
        "security": _SECURITY if route.rpc else [],
    }
    if route.takes_task_file:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
        operation["requestBody"] = {"required": True, "content": _task_file()}
    elif route.method == "POST":
        operation["requestBody"] = _body(route)
    return operation


def _content(schema: str) -> dict[str, Any]:
    kinds = {"File": "application/octet-stream", "Metrics": "text/plain", "Patch": "text/plain"}
    return {kinds.get(schema, "application/json"): {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _task_file() -> dict[str, Any]:
    json, yaml = TASK_FILE_KINDS
    return {json: {"schema": task_file_schema()}, yaml: {"schema": {"type": "string"}}}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": field.name, "in": "query", "description": field.about, "schema": dict(field.schema)}
        for field in route.query
    ]


def _body(route: Route) -> dict[str, Any]:
    properties = {field.name: {**field.schema, "description": field.about} for field in route.body}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"required": False, "content": {"application/json": {"schema": schema}}}
