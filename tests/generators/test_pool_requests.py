"""What a row of a pool's conditions asks for, and rows that do not fit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.generators.shards import Conditions
from tests.helpers.diffusion_models import conditions_table, write_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder: Path = tmp_path_factory.mktemp("films") / "cohort"
    write_cohort(folder)
    return Cohort.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_source": "unknown"}, "not in this cohort, e.g. unknown"),
        ({"kind": "text"}, "kind 'text', but its prompt and mask make it 'mask'"),
        ({"kind": "words"}, "kind 'words'"),
    ],
)
def test_conditions_that_do_not_fit_are_refused(cohort, change, message):
    table = conditions_table(3, ("mask",))
    for column, value in change.items():
        table.loc[1, column] = value
    with pytest.raises(InputError, match=message):
        Conditions(table, cohort).request(1)


def test_a_text_row_whose_prompt_means_nothing_is_unconditional(cohort):
    table = conditions_table(2, ("text",))
    table["prompt"] = pd.Series(["N/A", None], dtype="string")
    requests = [Conditions(table, cohort).request(row) for row in range(2)]
    assert [request.prompt for request in requests] == [None, None]
