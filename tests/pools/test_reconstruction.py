"""Real films through the autoencoder: labels and masks stay, the same bytes after a kill, and trials that read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.subsets import draw_ranks
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import trial_seed
from scripts.lib.downstream.added import control_films, make_stock, open_store
from scripts.lib.downstream.data import films_of
from scripts.lib.downstream.rows import Setting
from scripts.lib.generators.controlled.generator import open_generator
from scripts.lib.generators.shards import Parts
from scripts.lib.pools.reconstruction import reconstruct, wanted_rows
from scripts.lib.training.devices import Placement
from scripts.reconstruct_films import main
from tests.helpers.diffusion_models import write_base, write_cohort
from tests.helpers.downstream_films import settings_for

CPU = Placement(torch.device("cpu"), torch.float32)
CONFIG = {"device": "cpu", "precision": "fp32", "micro_batch": 2}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reconstruct")
    write_base(folder / "base")
    write_cohort(folder / "cohort", split="train")
    index = Cohort.open(folder / "cohort").index
    draw_ranks(index, [], 2, True, 1, "toy").to_parquet(folder / "subsets.parquet", index=False)
    return folder


def send(inputs: Path, out: Path, fraction: float = 0.5, **changes: object) -> Cohort:
    argv = ["--generator", inputs / "base", "--cohort", inputs / "cohort", "--subsets", inputs / "subsets.parquet"]
    argv += ["--fraction", fraction, "--config", json.dumps(CONFIG | changes), "--checkpoint-dir", out.parent / "parts"]
    main([str(word) for word in [*argv, "--out", out]])
    return Cohort.open(out)


def test_the_films_of_all_subsets_with_their_labels_and_masks(inputs: Path, tmp_path: Path) -> None:
    made, cohort = send(inputs, tmp_path / "back"), Cohort.open(inputs / "cohort")
    subsets = pd.read_parquet(inputs / "subsets.parquet")
    wanted = set(subsets.loc[subsets["rank"] < 0.5, "image_id"])
    assert set(made.index["film"]) == wanted and len(wanted) < len(cohort)
    rows = pd.Index(cohort.index["image_id"]).get_indexer(made.index["film"])
    np.testing.assert_array_equal(made.masks(slice(None)), cohort.masks(rows))
    images, films = made.images(slice(None)), cohort.images(rows)
    assert (images != films).any(axis=(1, 2)).all() and made.index["synthetic"].all()
    assert made.index["sha256"].tolist() == [pixels_sha256(image) for image in images]
    # What diffusers' own call gives: the mean of the latents, decoded, from [-1, 1] to grey values.
    vae = open_generator(inputs / "base").vae
    with torch.no_grad():
        pixels = torch.from_numpy(films).float()[:, None] / 127.5 - 1
        answer = vae.decode(vae.encode(pixels.expand(-1, vae.config.in_channels, -1, -1)).latent_dist.mode()).sample
    expected = ((answer.mean(1).clamp(-1, 1) + 1) * 127.5).round().numpy()
    assert np.abs(images - expected).max() <= 1


def test_a_film_does_not_depend_on_its_batch_nor_on_a_kill(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = send(inputs, tmp_path / "whole")
    save, saved = Parts.save, []

    def dying(self: Parts, number: int, images: np.ndarray) -> None:
        save(self, number, images)
        saved.append(number)
        if number == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Parts, "save", dying)
    with pytest.raises(KeyboardInterrupt):
        send(inputs, tmp_path / "killed")
    assert not (tmp_path / "killed" / "images.npy").exists()
    monkeypatch.setattr(Parts, "save", lambda self, number, images: (save(self, number, images), saved.append(number)))
    send(inputs, tmp_path / "killed")
    assert saved[:4] == [0, 1, 2, 3], "the first two batches were made once"
    for name in ("images.npy", "masks.npy", "index.parquet", "cohort.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()
    assert not (tmp_path / "parts").exists()
    alone = reconstruct(open_generator(inputs / "base").vae, whole_films(inputs, whole)[:1], 32, CPU)
    assert np.abs(alone[0].astype(int) - whole.images([0])[0]).max() <= 1


def whole_films(inputs: Path, made: Cohort) -> np.ndarray:
    cohort = Cohort.open(inputs / "cohort")
    return cohort.images(pd.Index(cohort.index["image_id"]).get_indexer(made.index["film"]))


def test_what_is_not_finite_is_refused(inputs: Path) -> None:
    vae = open_generator(inputs / "base").vae
    vae.decoder.conv_out.bias.data.fill_(torch.nan)
    with pytest.raises(InputError, match="the autoencoder's answer is not finite"):
        reconstruct(vae, np.zeros((1, 32, 32), np.uint8), 32, CPU)


def test_a_model_of_another_side_gives_films_of_the_studys(inputs: Path) -> None:
    vae = open_generator(inputs / "base").vae
    assert reconstruct(vae, np.zeros((2, 64, 64), np.uint8), 32, CPU).shape == (2, 64, 64)


def test_subsets_of_another_cohort_are_one_line(inputs: Path) -> None:
    index = Cohort.open(inputs / "cohort").index
    other = pd.DataFrame({"image_id": ["nobody"], "trial": [0], "rank": [0.1]})
    with pytest.raises(InputError, match="no film of this cohort belongs to fraction 0.5"):
        wanted_rows(index, other, 0.5)


def test_a_trial_repeats_the_films_that_it_learns_from(inputs: Path, tmp_path: Path) -> None:
    send(inputs, tmp_path / "back")
    cohort, subsets = Cohort.open(inputs / "cohort"), pd.read_parquet(inputs / "subsets.parquet")
    structure = cohort.structures[0]
    settings = settings_for("segmentation") | {"target": structure}
    store = open_store([tmp_path / "back"], [])
    mine = subsets.query("trial == 1 and rank < 0.5")["image_id"]
    rows = np.flatnonzero(cohort.index["image_id"].isin(mine))
    training = films_of(cohort, rows, "segmentation", structure)
    setting = Setting("toy", "back", 0.5, 1, trial_seed(1, "toy", 1))
    stock = make_stock("reconstructed", cohort, subsets, training, store, setting, settings)
    plain = make_stock("duplicate", cohort, subsets, training, None, setting, settings)
    assert stock is not None and plain is not None
    added, copies = control_films("reconstructed", stock, 9), control_films("duplicate", plain, 9)
    assert list(store.index["film"].iloc[added.rows]) == list(cohort.index["image_id"].iloc[copies.rows])
    np.testing.assert_array_equal(added.targets(np.arange(9)), copies.targets(np.arange(9)))
    everything = films_of(cohort, np.arange(len(cohort)), "segmentation", structure)
    with pytest.raises(InputError, match=r"films of the subset are not in it, e.g. .*; reconstruct the films of these"):
        make_stock("reconstructed", cohort, subsets, everything, store, setting, settings)
