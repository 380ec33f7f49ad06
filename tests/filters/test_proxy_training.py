"""Training the small CLIP: its loss, its fixed statistics, and a resumed run that ends in the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss
from torch.nn import functional

from scripts.lib.cohort.store import pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy import small
from scripts.train_proxy import main
from tests.helpers.proxy_models import LABELS, PROXY, SIDE, films

REPORTS = ["Edema.", "Normal.", None, "Left pneumonia."]


def write_cohort(folder: Path, count: int = 12) -> Path:
    with CohortWriter(folder, SIDE, [], LABELS, {"dataset": "toy"}) as writer:
        for number, image in enumerate(films(count)):
            row = {"image_id": f"f{number}", "patient_id": f"p{number}", "split": "train"}
            writer.add(image, None, row | {"report": REPORTS[number % 4], "sha256": pixels_sha256(image)})
    return folder


def train(cohort: Path, folder: Path) -> dict[str, bytes]:
    main(
        [
            *["--cohorts", str(cohort), "--config", json.dumps(PROXY), "--resolution", str(SIDE), "--seed", "1"],
            *["--checkpoint-dir", str(folder / "checkpoints"), "--out", str(folder / "model")],
        ]
    )
    return {file.name: file.read_bytes() for file in (folder / "model").iterdir()}


def test_an_interrupted_training_ends_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = write_cohort(tmp_path / "cohort")
    whole = train(cohort, tmp_path / "whole")
    real, calls = small.shifted, []

    def failing(*arguments: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(small, "shifted", failing)
    with pytest.raises(KeyboardInterrupt):
        train(cohort, tmp_path / "resumed")
    assert not (tmp_path / "resumed" / "model").exists()
    assert (tmp_path / "resumed" / "checkpoints").is_dir()
    calls.extend([1] * 10)
    resumed = train(cohort, tmp_path / "resumed")
    assert len(calls) == 3 + 10 + 2  # the two steps that were left
    assert resumed == whole
    assert not (tmp_path / "resumed" / "checkpoints").exists()


def test_the_loss_is_clips_where_all_texts_differ() -> None:
    noise = torch.Generator().manual_seed(0)
    images, texts = (functional.normalize(torch.randn(5, 3, generator=noise), dim=1) for _ in range(2))
    scale = torch.tensor(10.0)
    ours = small.SharedTextLoss()(images, texts, scale, torch.arange(5))
    assert float(ours) == pytest.approx(float(ClipLoss()(images, texts, scale)), rel=1e-6)


def test_films_with_the_same_text_match_all_of_its_copies() -> None:
    # Two films, one text: all four cosines are wanted alike, and equal cosines reach the minimum, log 2.
    one = torch.tensor([[1.0, 0.0]]).repeat(2, 1)
    loss = small.SharedTextLoss()(one, one, torch.tensor(50.0), torch.zeros(2, dtype=torch.long))
    assert float(loss) == pytest.approx(np.log(2), rel=1e-6)


def test_shifts_move_whole_films_within_reach() -> None:
    inputs = torch.arange(2 * 64.0).view(2, 1, 8, 8)
    assert torch.equal(small.shifted(inputs, 0.0, torch.Generator()), inputs)
    moved = small.shifted(inputs, 0.125, torch.Generator().manual_seed(3))  # one pixel at most
    for film, source in zip(moved, inputs):
        padded = functional.pad(source[None], [1] * 4, mode="replicate")[0]
        assert any(torch.equal(film, padded[:, y : y + 8, x : x + 8]) for y in range(3) for x in range(3))


def test_a_side_that_is_no_multiple_of_32_is_refused(tmp_path: Path) -> None:
    from scripts.lib.encoders.clip_text import train_tokenizer
    from scripts.lib.training.settings import Section

    tokenizer = train_tokenizer(["edema"], 600, 8)
    with pytest.raises(InputError, match="multiple of 32"):
        small.model_config(Section(PROXY["train"], "proxy.train"), tokenizer, films(2, 40))


def test_films_without_reports_are_refused() -> None:
    from scripts.lib.training.films import FoundationFilms
    from scripts.lib.training.settings import Section
    from tests.helpers.proxy_models import CPU

    nothing = FoundationFilms(films(3), [None, "n/a", ""], "content")
    with pytest.raises(InputError, match="0 films of the foundation cohorts have a report"):
        small.train_clip(nothing, Section(PROXY["train"], "proxy.train"), 1, CPU, None)
