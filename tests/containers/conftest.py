"""Fixtures of the tests of containers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers.engine import build_images, missing, new_volume

# The images let any user of the group 0 work, as OpenShift runs containers.
USER = 12345


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """The images, built once, and the variables with which `make images` builds them here."""
    if reason := missing():
        pytest.skip(reason)
    return build_images()


@pytest.fixture
def folder(images: dict[str, str], tmp_path: Path) -> Path:
    """A folder that belongs to the user of the containers and has the same path there and here."""
    os.chown(tmp_path, USER, 0)
    return tmp_path


@pytest.fixture
def volume(images: dict[str, str]) -> Iterator[str]:
    """The name of a volume that is removed at the end."""
    with new_volume() as name:
        yield name


@pytest.fixture
def state(images: dict[str, str]) -> Iterator[str]:
    """The name of another volume, for the state of a worker."""
    with new_volume() as name:
        yield name
