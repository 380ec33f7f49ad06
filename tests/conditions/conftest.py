"""The cohorts that the tests of conditions share."""

from __future__ import annotations

import pytest

from tests.helpers.conditions_films import candid_cohort, chexpert_cohort


@pytest.fixture(scope="module")
def candid(tmp_path_factory):
    return candid_cohort(tmp_path_factory.mktemp("candid") / "cohort")


@pytest.fixture(scope="module")
def chexpert(tmp_path_factory):
    return chexpert_cohort(tmp_path_factory.mktemp("chexpert") / "cohort")
