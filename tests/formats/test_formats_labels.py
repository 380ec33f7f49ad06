"""Labels and ages as tables give them: which values are known, what uncertain ones count as, and what stops the run."""

from __future__ import annotations

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats import labels


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("1.0", 1), ("0", 0), ("0.0", 0), ("-1", -1), ("-1.0", -1), ("", None), ("nan", None), ("NaN", None)],
)
def test_label_values(text: str, value: int | None) -> None:
    assert labels.label_value(text, "here") == value


@pytest.mark.parametrize("text", ["2", "0.5", "yes", "-2", "1.01", "positive"])
def test_other_label_values_stop_the_run(text: str) -> None:
    with pytest.raises(InputError, match="t.csv row 7"):
        labels.label_value(text, "t.csv row 7")


# MGCA: uncertain atelectasis, edema and effusion count as present, cardiomegaly and consolidation as absent.
@pytest.mark.parametrize(
    ("label", "policy", "expected"),
    [
        ("atelectasis", "mgca", 1),
        ("cardiomegaly", "mgca", 0),
        ("consolidation", "mgca", 0),
        ("edema", "mgca", 1),
        ("pleural_effusion", "mgca", 1),
        ("edema", "zeros", 0),
        ("cardiomegaly", "ones", 1),
        ("edema", "ignore", None),
    ],
)
def test_uncertain_labels(label: str, policy: str, expected: int | None) -> None:
    assert labels.decide(-1, label, policy, "zero") == expected


def test_certain_and_blank_labels() -> None:
    assert [labels.decide(value, "edema", "mgca", "zero") for value in (0, 1, None)] == [0, 1, 0]
    assert labels.decide(None, "edema", "mgca", "ignore") is None


@pytest.mark.parametrize(
    ("text", "years"),
    [("45", 45), ("34.0", 34), ("4,5", 4.5), ("045Y", 45), ("018M", 1.5), ("", None), ("abc", None), ("999Y", None)],
)
def test_ages(text: str, years: float | None) -> None:
    assert labels.age_of(text) == years
