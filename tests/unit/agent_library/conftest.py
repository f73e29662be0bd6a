"""A folder for turns of the library's stand-in."""

from pathlib import Path

import pytest

from support.library_child import LibraryChild


@pytest.fixture
def child(tmp_path: Path) -> LibraryChild:
    return LibraryChild(tmp_path)
