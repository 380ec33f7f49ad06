"""What is left of a pool without some images: every prefix stays balanced, and a label of copies alone is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.filters.dropping import COPIES, DENIED, keep_rest, shown_labels
from scripts.lib.filters.proxy.scores import KEPT

LABELS = ["edema", "pneumonia"]


def index(count: int, trials: int = 1) -> pd.DataFrame:
    """Return `count` images a trial: edema and normal in turn."""
    rows = [
        {"image_id": f"{trial}-{place}", "condition_id": f"{trial}-{place}", "sample": 0, "trial": trial}
        | {"position": place, "edema": place % 2, "pneumonia": 0}
        for trial in range(trials)
        for place in range(count)
    ]
    return pd.DataFrame(rows)


def test_a_later_image_of_the_label_takes_the_place() -> None:
    # Images 0 (normal) and 3 (edema) are copies: the next of their label move up, and the order stays normal, edema, ...
    similarity = np.array([0.9, 0.1, 0.2, 0.95, 0.3, 0.4])
    kept = keep_rest(index(6), LABELS, similarity > 0.8, 1 - similarity, COPIES)
    assert list(kept.columns) == KEPT
    assert list(kept["image_id"]) == ["0-2", "0-1", "0-4", "0-5"]
    assert list(kept["label"]) == ["normal", "edema", "normal", "edema"]
    assert list(kept["position"]) == [0, 1, 2, 3] and list(kept["source_position"]) == [2, 1, 4, 5]
    assert kept["score"].tolist() == pytest.approx([0.8, 0.9, 0.7, 0.6])


def test_nothing_is_dropped_without_copies_and_rows_may_come_in_any_order() -> None:
    table = index(8, trials=2)
    similarity = np.linspace(0, 0.7, 16)
    kept = keep_rest(table, LABELS, similarity > 0.8, 1 - similarity, COPIES)
    assert list(kept["image_id"]) == list(table["image_id"])
    order = np.random.default_rng(0).permutation(16)
    turned = similarity[order]
    pd.testing.assert_frame_equal(kept, keep_rest(table.iloc[order], LABELS, turned > 0.8, 1 - turned, COPIES))


def test_a_label_of_copies_alone_is_refused() -> None:
    dropped = np.array([True, False, True, False])
    with pytest.raises(InputError, match="normal, trial 0: all 2 images are near-copies"):
        keep_rest(index(4), LABELS, dropped, np.zeros(4), COPIES)
    with pytest.raises(InputError, match="edema, trial 0: all 2 images do not show what they were asked to show"):
        keep_rest(index(4), LABELS, ~dropped, np.zeros(4), DENIED)


def test_several_labels_are_a_kind_of_their_own() -> None:
    table = pd.DataFrame({"edema": [1, 0, 1, None], "pneumonia": [1, 0, 0, 1]})
    assert list(shown_labels(table, ["edema", "pneumonia"])) == ["edema+pneumonia", "normal", "edema", "pneumonia"]
