"""The examples of docs/python.md run, one after the other, on a small study on the disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.downstream.predictions import MASKS, ROW, Predictions, schema_items, write_predictions
from tests.conftest import ROOT

SIDE, FILMS, IMAGES = 32, 40, 12


def write_images(folder: Path, rows: list[dict[str, object]], seed: int) -> None:
    """Write a cohort or shard of random pixels, each with a square as its mask."""
    noise = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[4:12, 4:12] = 1
    with CohortWriter(folder, SIDE, ["pneumothorax"], ["pneumothorax"], {"dataset": "siim"}) as writer:
        for row in rows:
            writer.add(noise.integers(0, 256, (SIDE, SIDE), dtype=np.uint8), mask, row)


def film(number: int) -> dict[str, object]:
    split = "train" if number < FILMS // 2 else "test"
    names = {"image_id": f"f{number}", "patient_id": f"p{number}", "source_file": f"f{number}.png"}
    return {**names, "split": split, "sha256": f"{number:064x}", "synthetic": False, "pneumothorax": number % 2}


def image(number: int) -> dict[str, object]:
    made = {"condition_id": f"c{number}", "sample": 0, "trial": number % 2, "position": number // 2, "kind": "mask"}
    names = {"image_id": f"c{number}-0", "patient_id": f"c{number}", "split": "train", "sha256": f"{number:064x}"}
    return {**names, **made, "source_file": "", "synthetic": True, "pneumothorax": 1}


def trial_row(multiplier: int, trial: int) -> dict[str, object]:
    arm = "original" if multiplier else "real"
    about = {"dataset": "siim", "task": "segmentation", "metric": "dice", "fraction": 0.1, "arm": arm}
    counts = {"multiplier": multiplier, "trial": trial, "seed": 10 + trial, "n_real": 2, "n_synthetic": 2 * multiplier}
    return {**about, **counts, "value": 0.5 + 0.01 * multiplier + 0.002 * trial**2, "note": ""}


def write_trial(results: Path, arm: str, multipliers: tuple[int, ...], trial: int) -> None:
    """Write the predictions of a trial on the test films, of which the first has no mask in any prediction of `real`."""
    films = [film(number) for number in range(FILMS // 2, FILMS)]
    count, noise = len(films), np.random.default_rng([trial, *multipliers])
    parts, cells = [], {}
    for multiplier in multipliers:
        cells[multiplier] = {"n_real": 2, "n_synthetic": 2 * multiplier, "note": ""}
        overlap = noise.integers(10, 50, count)
        overlap[0] *= arm != "real"
        predicted = np.where(overlap > 0, 64, 0)
        columns = {"dataset": ["siim"] * count, "split": ["test"] * count, "multiplier": [multiplier] * count}
        columns |= {name: [one[name] for one in films] for name in ("image_id", "patient_id")}
        columns |= {"label": ["pneumothorax"] * count, "overlap": overlap, "predicted": predicted}
        columns["truth"] = [64] * count
        parts.append(
            pa.table({name: pa.array(columns[name]).cast(kind) for name, kind in schema_items(pa.schema(ROW + MASKS))})
        )
    made = Predictions("siim", "segmentation", arm, "0.1", trial, 10 + trial, cells, pa.concat_tables(parts))
    path = results / made.place
    path.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(path, made)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the results that the examples name, and the repository's configuration."""
    siim = tmp_path / "results" / "siim"
    write_images(siim / "cohort", [film(number) for number in range(FILMS)], 1)
    index = Cohort.open(siim / "cohort").index
    draw_ranks(index, ["pneumothorax"], 2, True, 1, "siim").to_parquet(siim / "subsets.parquet", index=False)
    for shard in range(2):
        rows = [image(number) for number in range(shard * IMAGES, (shard + 1) * IMAGES)]
        write_images(siim / "pools" / "original" / "fraction-0.1" / f"shard-{shard}", rows, 2 + shard)
    for trial in range(3):
        write_trial(tmp_path / "results", "real", (0,), trial)
        write_trial(tmp_path / "results", "original", (2, 5), trial)
    tables = tmp_path / "results" / "tables"
    tables.mkdir()
    rows = [trial_row(multiplier, trial) for multiplier in (0, 2, 5) for trial in range(3)]
    pd.DataFrame(rows).to_csv(tables / "trials.csv", index=False)
    for name in ("config.yaml", "studies", "rules"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    matplotlib.pyplot.close("all")


def test_every_example_runs(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib.use("Agg")
    text = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/python.md, example {number}", "exec"), names)  # the examples build on each other
    said = capsys.readouterr().out
    assert f"{FILMS} films of {SIDE} pixels" in said
    assert "2 films of 2 patients" in said
    assert "(4, 32, 32) ['mask', 'mask', 'mask', 'mask'] synthetic: True" in said
    assert "did you mean 'trials'?" in said
    assert "overlooked, by arm: {'real': 3}" in said
    table = names["table"]
    assert isinstance(table, pd.DataFrame) and table["multiplier"].tolist() == [2, 5]
    assert (table["n_trials"] == 3).all() and (table["low"] < table["difference"]).all()
    assert "one of each is assumed: ['dataset', 'task'" in said
    assert (study / "films-and-images.png").is_file()
