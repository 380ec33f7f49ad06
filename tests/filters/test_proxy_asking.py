"""The proxy model is asked for every label, so that images with several labels have a score, too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts import ask_proxy
from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.scoring import score_pool
from tests.helpers.proxy_models import LABELS, PROMPTS, PROXY, tiny_proxy, write_pool


def test_it_says_of_each_label_what_the_filter_ranks_by(tmp_path: Path) -> None:
    proxy, pool = tiny_proxy(tmp_path / "model"), write_pool(tmp_path / "pool", 6)
    expected = score_pool(proxy, pool, PROMPTS, ["{}"])
    words = ["--model", f"local-dir:{tmp_path / 'model'}", "--store", str(tmp_path / "pool"), "--labels", *LABELS]
    for rank_by in ("cosine", "margin"):
        config = json.dumps({**PROXY, "rank_by": rank_by})
        ask_proxy.main([*words, "--config", config, "--out", str(tmp_path / "asked.parquet")])
        found = pd.read_parquet(tmp_path / "asked.parquet")
        less = expected["score_normal"] if rank_by == "margin" else 0
        for name in LABELS:
            np.testing.assert_allclose(found[f"found_{name}"], expected[f"score_{name}"] - less, atol=1e-6)
        assert found["asked_edema"].tolist() == [1, 0, 0, 1, 0, 0] and found["asked_pneumonia"].sum() == 2
        assert found["image_id"].tolist() == found["group"].tolist() == pool.index["image_id"].tolist()
    last = [*words, "--config", json.dumps(PROXY), "--out", str(tmp_path / "no.parquet")]
    with pytest.raises(InputError, match="no film of split test; correct proxy.validation.split"):
        ask_proxy.main([*last, "--split", "test"])
    last[last.index("pneumonia")] = "mass"
    with pytest.raises(InputError, match="no label mass; there are edema, pneumonia"):
        ask_proxy.main(last)
    silent = json.dumps({**PROXY, "prompts": {"edema": None, "normal": "normal"}})
    with pytest.raises(InputError, match="conditions.prompts: edema has no words"):
        ask_proxy.main([*words, "--config", silent, "--out", str(tmp_path / "no.parquet")])
    assert not (tmp_path / "no.parquet").exists()
