"""The examples of docs/python.md run, one after the other, on a small study on the disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import synthorax
from scripts import train_controlnet
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.predictions import MASKS, ROW, Predictions, schema_items, write_predictions
from tests.conftest import ROOT
from tests.helpers.diffusion_models import CONTROL, write_base

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


def write_generator(root: Path) -> None:
    """Train a tiny ControlNet of films with the same structure, as results/generators/controlnet."""
    write_base(root / "base")
    write_images(root / "taught", [{**film(number), "split": "generator"} for number in range(8)], 9)
    options = {"--base": root / "base", "--cohort": root / "taught", "--checkpoint-dir": root / "check", "--seed": 1}
    options |= {"--config": json.dumps(CONTROL), "--out": root / "results" / "generators" / "controlnet"}
    train_controlnet.main([str(word) for option in options.items() for word in option])


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
    write_generator(tmp_path)
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
    assert (
        "Cohort of 40 films, 32 x 32 pixels, labels pneumothorax, masks of pneumothorax (results/siim/cohort)" in said
    )
    assert "(32, 32) {'pneumothorax': 0} {'pneumothorax': 64}" in said  # the square of write_images: 8 x 8
    assert "(3, 32, 32) the same pixels: False" in said
    answer = names["answer"]
    assert isinstance(answer, pd.DataFrame)
    assert answer[["trials", "difference"]].round(9).values.tolist() == [
        [3, 0.1]
    ]  # (.70 + .71 + .75 - .60 - .64 - .62) / 3
    assert (study / "films-and-images.png").is_file()


def test_a_generator_gives_the_same_pixels_again_and_says_what_it_cannot_do(study: Path) -> None:
    folder, masks = "results/generators/controlnet", synthorax.open_cohort("results/siim/cohort").masks([0, 1])
    first, again = (synthorax.open_generator(folder, structures=["pneumothorax"], steps=2) for _ in range(2))
    assert (first.sample(masks=masks) == again.sample(masks=masks)).all() and first.resolution == SIDE
    other = synthorax.open_generator(folder, seed=2, structures=["pneumothorax"], steps=2)
    assert (first.sample(masks=masks) != other.sample(masks=masks)).any()
    with pytest.raises(
        InputError, match="expected prompts, masks or labels, as many of each; got {'prompts': 1, 'masks': 2}"
    ):
        first.sample(prompts=["a"], masks=masks)
    with pytest.raises(InputError, match="got none"):
        first.sample()
    with pytest.raises(InputError, match="no setting step; section sampling has .*solver"):
        synthorax.open_generator(folder, step=2)


def test_a_loop_over_a_cohort_ends_and_places_count_from_both_ends(study: Path) -> None:
    cohort = synthorax.open_cohort("results/siim/cohort")
    assert [one.about["image_id"] for one in cohort] == [f"f{number}" for number in range(FILMS)]
    assert cohort[-1].labels == {"pneumothorax": 1} and (cohort[-1].image == cohort.images([FILMS - 1])[0]).all()
    with pytest.raises(IndexError):
        cohort[FILMS]
    pool = synthorax.open_pool("results/siim/pools/original/fraction-0.1")
    assert repr(pool).startswith("Cohort of 24 synthetic images, 32 x 32 pixels") and "and 1 more" in repr(pool)
    with pytest.raises(InputError, match="no pool; expected a folder like"):
        synthorax.open_pool("results/siim/cohort")


def test_a_comparison_reads_a_table_or_a_file(tmp_path: Path) -> None:
    rows = {"arm": ["real"] * 3 + ["gan"] * 3, "trial": [0, 1, 2] * 2, "value": [0.60, 0.64, 0.62, 0.70, 0.71, 0.75]}
    table = pd.DataFrame(rows)
    table.to_csv(tmp_path / "own.csv", index=False)
    assert synthorax.compare(table).equals(synthorax.compare(tmp_path / "own.csv"))
    with pytest.raises(InputError, match="no row has arm = real"):
        synthorax.compare(table[3:])
