"""What judges the images of a lever: models that learned from real films alone, and distances with a real floor."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.data import Films, films_of
from scripts.lib.downstream.judged import dice
from scripts.lib.downstream.judges import held_out, train_judge
from scripts.lib.downstream.models import Network
from scripts.lib.downstream.predict import place_trial, to_images
from scripts.lib.encoders.small import SmallEncoder
from scripts.lib.study import config as study_config
from scripts.lib.training.checkpoints import Checkpoints

SEED, STEPS, CHANNELS = 1, 800, (16, 32, 64)


def learned_judge(films: Films, settings: Mapping[str, Any]) -> Network:
    """Return a judge of the workflow that learned from these real films for STEPS steps; `settings` as train_trials gets them."""
    settings = {**settings, "budget": {"kind": "steps", "steps": STEPS}}
    with tempfile.TemporaryDirectory() as folder:
        return train_judge(films, settings, place_trial(settings), SEED, Checkpoints(Path(folder), "levers", 3600))


@torch.inference_mode()
def answers(model: Network, images: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
    """Return the logits (n, L) or (n, H, W) of images uint8 (n, H, W)."""
    placement = place_trial(settings)
    parts = [model(to_images(images[k : k + 64], placement)).float() for k in range(0, len(images), 64)]
    return torch.cat(parts).squeeze(1).numpy() if parts[0].ndim == 4 else torch.cat(parts).numpy()


@torch.inference_mode()
def random_features(images: np.ndarray) -> np.ndarray:
    """Return features (n, 224) of images uint8 (n, H, W): mean and deviation of each channel of an untrained encoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        encoder = SmallEncoder(1, CHANNELS).train()
    parts = []
    grey = torch.from_numpy(images).float().div_(255).unsqueeze(1)
    normal = (grey - 0.45) / 0.25
    encoder.eval()  # fixed statistics: an image's features do not depend on its neighbours
    for start in range(0, len(normal), 64):
        stages = encoder(normal[start : start + 64])[1:]
        parts.append(torch.cat([torch.cat([stage.mean((2, 3)), stage.std((2, 3))], 1) for stage in stages], 1))
    return torch.cat(parts).double().numpy()


def kid(first: np.ndarray, second: np.ndarray) -> float:
    """Return the unbiased squared MMD with the kernel (x . y / d + 1)^3 (Binkowski et al. 2018) of features (n, d), (m, d)."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1) ** 3

    n, m = len(first), len(second)
    own, other = kernel(first, first), kernel(second, second)
    inside = (own.sum() - np.trace(own)) / (n * (n - 1)) + (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(inside - 2 * kernel(first, second).mean())


def standardised(real: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """Return all features with the mean and deviation of the real ones taken off."""
    mean, deviation = real.mean(0), real.std(0) + 1e-9
    return [(part - mean) / deviation for part in (real, *others)]


@dataclass(frozen=True)
class Judge:
    """A model of real films; `real` is its score on films held out, `films` uint8 (N, H, W) what images are held against."""

    model: Network
    settings: Mapping[str, Any]
    names: list[str]
    real: float
    films: np.ndarray

    def wanted(self, requests: Sequence[Any], conditions: Any) -> np.ndarray:
        """Return what images of these requests shall show: masks bool (n, H, W) or labels (n, L), NaN where unknown."""
        if self.settings["task"] == "segmentation":
            bit = conditions.cohort.bit(self.names[0])
            return np.stack([(request.bits & bit) != 0 for request in requests])
        table = conditions.table.iloc[: len(requests)]
        columns = [table[name] if name in table else [np.nan] * len(table) for name in self.names]
        return np.array(columns, dtype=float).T

    def score(self, images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return a score an image: Dice with its mask (images with one), or the share of unlike images that it beats.

        The latter is an image's part of the AUROC, over the labels that it has: its mean over the images with labels is
        the AUROC of the labels, weighted by how often they were asked for.
        """
        logits = answers(self.model, images, self.settings)
        if self.settings["task"] == "segmentation":
            shown = wanted.any((1, 2))
            return dice(logits[shown] > 0, wanted[shown])
        found = []
        for scores, column in zip(logits.T, wanted.T):
            others = np.sort(scores[column == 0])
            if len(others):
                own = scores[column == 1]
                below, upto = np.searchsorted(others, own), np.searchsorted(others, own, "right")
                found.append((below + upto) / 2 / len(others))
        return np.concatenate(found)


def segmentation_judge(config: Mapping[str, Any], results: Path) -> Judge:
    """Return a segmenter that learned from four fifths of the generator split of study.generator_dataset."""
    dataset = config["study"]["generator_dataset"]
    target = config["datasets"][dataset]["target"]
    cohort, settings = Cohort.open(results / dataset / "cohort"), study_config.stage(config, "trials", dataset)
    return _judge(cohort, {**settings, "precision": "fp32"}, [target], cohort.rows(split="generator"))


def label_judge(config: Mapping[str, Any], results: Path) -> Judge:
    """Return a classifier that learned from four fifths of the foundation cohort's training films, all its labels."""
    dataset = config["study"]["foundation"][0]
    labels, cohort = config["datasets"][dataset]["labels"], Cohort.open(results / dataset / "cohort")
    settings = study_config.stage(config, "trials", "rsna") | {"precision": "fp32", "task": "multilabel"}
    return _judge(cohort, {**settings, "target": labels}, list(labels), cohort.rows(split="train"))


def _judge(cohort: Cohort, settings: Mapping[str, Any], names: list[str], rows: np.ndarray) -> Judge:
    learned, held = held_out(cohort, rows, 0.2)
    target = names[0] if settings["task"] == "segmentation" else names
    model = learned_judge(films_of(cohort, learned, settings["task"], target), settings)
    judge = Judge(model, settings, names, 0.0, cohort.images(rows))
    films = films_of(cohort, held, settings["task"], target)
    truth = cohort.mask(held, names[0]) if films.labels is None else films.labels
    return replace(judge, real=float(judge.score(cohort.images(held), truth).mean()))
