"""Our wheels, built once for all packaging tests."""

from pathlib import Path

import pytest

from tools import wheels


@pytest.fixture(scope="session")
def built_wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The path of each published wheel, by the name of its package."""
    folder = tmp_path_factory.mktemp("wheels")
    return {name: wheels.build(name, folder) for name in wheels.SOURCES}
