"""Requests that are made from the OpenAPI description: none is answered with a 5xx, each answer matches its schema.

`SWARM_TEST_HTTP_SEEDS=500` runs more seeds than the few of the suite; a failure names the seed and the request.
"""

import json
import os
import random
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import pytest

from integration.web.test_openapi import check, live, schema_of
from support.web import Web
from swarmd.web.app import OPENAPI_PATH

SEEDS: Final = int(os.environ.get("SWARM_TEST_HTTP_SEEDS", "4"))
NAMES: Final = ("built", "killed", "runs", "waits", "w1", "ghost", "", "..", "a/b", "\x00", "é", "x" * 300)
TEXTS: Final = (
    *NAMES,
    "1",
    "-1",
    "true",
    "null",
    "\u202e",
    "\U0001f600",
    "{}",
    "%",
    "'; --",
    "2026-01-01T00:00:00Z",
)
NUMBERS: Final = (0, 1, -1, 2, 500, 2**31, 2**53, 2**63, 10**30, 0.5, -0.0, 1e308)
ANYTHING: Final[tuple[Any, ...]] = (None, True, [], {}, "text", 7, [None], {"a": {}})
# Answers that wait on purpose.
WAITS: Final = {"wait_s": "0"}


class Requests:
    """Requests of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def value(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        """Returns a value that mostly fits the schema."""
        pick = self._random
        if pick.random() < 0.1 or depth > 5:
            return pick.choice(ANYTHING)
        schema = pick.choice(schema.get("anyOf", [schema]))
        kind = schema.get("type", "string")
        kind = pick.choice(kind) if isinstance(kind, list) else kind
        if "enum" in schema or kind == "boolean":
            return pick.choice(schema.get("enum", [True, False]))
        if kind in ("integer", "number"):
            bounds = [schema[name] for name in ("minimum", "maximum") if name in schema]
            return pick.choice([*bounds, *(bound + 1 for bound in bounds), *NUMBERS])
        if kind == "array":
            return [self.value(schema.get("items", {}), depth + 1) for _ in range(pick.randrange(3))]
        if kind == "object":
            return self._object(schema, depth)
        texts = [*TEXTS, "y" * (min(schema.get("maxLength", 0), 20_000) + 1)]
        return pick.choice(texts)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        known = schema.get("properties", {})
        # Fields of objects inside a task file are many, and most of their values refuse the whole file.
        chosen = [name for name in known if self._random.random() < (0.5 if depth < 2 else 0.1)]
        chosen += [name for name in schema.get("required", ()) if name not in chosen]
        return {name: self.value(known.get(name, {}), depth + 1) for name in chosen}

    def _name(self) -> str:
        """Returns a name that mostly exists, so that the request reaches its route."""
        return self._random.choice(NAMES[:5] if self._random.random() < 0.7 else NAMES)

    def request(self, path: str, operation: Mapping[str, Any]) -> tuple[str, dict[str, str], Any]:
        """Returns a path, a query and a body for an operation."""
        query: dict[str, str] = {}
        for parameter in operation["parameters"]:
            name, found = parameter["name"], self.value(parameter["schema"])
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(self._name(), safe=""))
            elif parameter["in"] == "query" and self._random.random() < 0.5:
                query[name] = found if isinstance(found, str) else json.dumps(found)
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        body = self.value(content["schema"]) if content else None
        return path, query | (WAITS if "wait_s" in query else {}), body


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_request_is_answered_with_a_fault_of_the_server(dashboard: Web, seed: int) -> None:
    description = (await dashboard.http.get(OPENAPI_PATH)).json()
    await live(dashboard)
    made, statuses = Requests(seed), set()

    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for _ in range(4):
                place, query, body = made.request(path, operation)
                headers = dashboard.program().headers
                answer = await dashboard.http.request(
                    method.upper(),
                    place,
                    params=query,
                    headers=headers,
                    **({} if body is None else {"json": body}),
                )
                said = f"seed {seed}: {method} {place} {query} {body!r:.500}: {answer.status_code} {answer.text:.500}"
                assert answer.status_code < 500 or path == "/readyz", said
                statuses.add(answer.status_code)
                if answer.headers["content-type"] == "application/json" and place == _plain(path, place):
                    check(
                        description, schema_of(description, method, place, answer.status_code), answer.json()
                    )

    assert {200, 400, 404} <= statuses


def _plain(path: str, place: str) -> str:
    """Returns the place if it is of the path's form: an empty or a dotted name makes it another one."""
    fits = len(path.split("/")) == len(place.split("/")) and "//" not in place and ".." not in place
    return place if fits and not place.endswith("/") else ""
