"""One statement for many rows says the same as that for one."""

import pytest

from swarmd.store.deferred_writes import KINDS
from swarmd.store.queries import QUERIES, Statement


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_write_that_may_wait_can_be_made_for_many_rows(name: str) -> None:
    statement = Statement(QUERIES[name])

    assert statement.text(1) == QUERIES[name]
    assert f"?{3 * len(statement.names)}" in statement.text(3)
    assert ":" not in statement.text(3)


def test_what_changes_rows_by_something_else_is_not_made_for_many() -> None:
    with pytest.raises(ValueError, match="not for several rows"):
        Statement(QUERIES["task_clear"]).text(2)
