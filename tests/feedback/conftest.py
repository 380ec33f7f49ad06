"""A small study, and the desk that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scripts.lib.feedback.app.desk import Desk
from tests.helpers.rating_toy import Study, open_desk, write_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return write_study(tmp_path / "a study")


@pytest.fixture
def desk(study: Study) -> Iterator[Desk]:
    with closing(open_desk(study)) as own:
        yield own
