"""The statements of queries.sql: names, fragments, and one text for many rows."""

import dataclasses
import re

import pytest

from swarmd.domain.model import Lease, Task
from swarmd.store.deferred_writes import DEFERRABLE
from swarmd.store.events import Event
from swarmd.store.queries import QUERIES, batch, load

FRAGMENTS = """-- fragment: pair
-- Two columns.
a, b

-- name: first
SELECT {pair} FROM t;

-- name: second
SELECT {pair}, c FROM t;
"""


@pytest.mark.parametrize("name", DEFERRABLE)
def test_every_deferrable_statement_takes_a_parameter_for_each_value_of_each_row(name: str) -> None:
    statement = batch(name)

    assert statement.text(3).count("?") == 3 * len(statement.columns)
    assert "{" not in statement.text(3)
    assert ":" not in statement.text(3)


def test_a_statement_without_rows_is_no_batch() -> None:
    with pytest.raises(ValueError, match=r"task_clear has no \{rows\}"):
        batch("task_clear")


def test_a_fragment_stands_in_every_statement_that_names_it() -> None:
    assert load(FRAGMENTS) == {"first": "SELECT a, b FROM t", "second": "SELECT a, b, c FROM t"}


def test_no_statement_but_a_batch_keeps_a_placeholder() -> None:
    assert {name for name, text in QUERIES.items() if re.search(r"\{\w", text)} == set(DEFERRABLE)


def test_two_statements_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two queries are named a"):
        load("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


def test_the_column_lists_have_the_fields_of_their_values_in_order() -> None:
    """Rows are read in this order."""
    task = QUERIES["task_by_key"].removeprefix("SELECT ").partition(" FROM")[0]
    event = QUERIES["event_after"].removeprefix("SELECT ").partition(" FROM")[0]
    lease = QUERIES["attempt_open_of_worker"].removeprefix("SELECT ").partition("\n")[0]

    # A cap is what its column says and what people have added.
    names = [column.partition(" + ")[0].strip().removeprefix("t.") for column in task.split(",")]
    assert names == list(Task._fields)
    assert event.split(", ") == [field.name for field in dataclasses.fields(Event)]
    assert len(lease.split(", ")) == len(Lease._fields)
