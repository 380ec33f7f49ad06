"""Train MGCA on films and their reports, measure how well it finds a film's report, and write its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import BertTokenizer

from scripts.lib.cohort.learned import inherited
from scripts.lib.core.errors import InputError
from scripts.lib.core.log import log
from scripts.lib.core.seeds import content_hash, derive_seed
from scripts.lib.encoders.weights import weights_digest
from scripts.lib.mgca.model import MGCA, Losses
from scripts.lib.mgca.pairs import ReportPairs, crop, input_side
from scripts.lib.mgca.text import build_bert, open_bert, save_tokenizer, tokenize, train_tokenizer
from scripts.lib.training.batches import batch_noise, batch_rows
from scripts.lib.training.checkpoints import Checkpoints
from scripts.lib.training.devices import Placement
from scripts.lib.training.loop import Trainer
from scripts.lib.training.settings import Section

STAGE = "pretrain_mgca"
STATISTICS = "pretrain_mgca statistics"
WEIGHTS, NOTES, TOKENIZER = "mgca.safetensors", "mgca.json", "tokenizer"
BLOCK = 64  # films in one pass without gradients


def first_weights(settings: Section) -> str:
    """Return a hash of the files that a training starts from, those of the image encoder and of the BERT."""
    text = settings["text"]["path"]
    kinds = ("*.safetensors", "*.json", "vocab.txt")
    files = sorted(file for kind in kinds for file in Path(text).glob(kind)) if text else []
    return content_hash(*(weights_digest(file) for file in (settings["image"]["weights"], *files)))


def first_learned(settings: Section) -> list[pd.DataFrame]:
    """Return what taught the files that a training starts from; ImageNet's photographs are no films."""
    image, text = settings["image"]["weights"], settings["text"]["path"]
    weights = [] if image in (None, "imagenet") else [inherited(Path(image), "mgca weights")]
    return [*weights, *([inherited(Path(text), "mgca text")] if text else [])]


def train_mgca(
    pairs: ReportPairs, settings: Section, resolution: int, seed: int, placement: Placement, checkpoints: Checkpoints
) -> tuple[MGCA, BertTokenizer]:
    """Return the trained network, in evaluation mode, and its tokenizer; `settings` is the section `mgca`."""
    if settings["batch_size"] < 2:
        raise InputError(
            f"settings: mgca.batch_size = {settings['batch_size']}; a film needs another one to differ from"
        )
    side = input_side(settings, resolution)
    torch.manual_seed(derive_seed(seed, STAGE, "weights"))
    text = settings["text"]
    if text["path"]:
        bert, tokenizer = open_bert(text)
    else:
        tokenizer = train_tokenizer(pairs.captions, text["vocabulary"], text["max_tokens"])
        bert = build_bert(text, tokenizer)
    model = MGCA(settings, bert, side).to(placement.device).train()
    captions = tokenize(pairs.captions, tokenizer)

    def losses(rows: np.ndarray, noise: torch.Generator, learn_prototypes: bool) -> Losses:
        # Dropout draws from torch's own generator: it must depend on the step alone, or a resumed training differs.
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=noise)))
        images = crop(pairs.images(rows), side, settings["image"]["pad"], noise).to(placement.device)
        return model(images, captions.rows(rows).to(placement.device), learn_prototypes)

    trainer = PrototypeTrainer({"mgca": model}, settings, seed, STAGE, placement)
    model.normalise_prototypes()
    trainer.train(_training_loss(losses, model, trainer, settings, len(pairs)), len(pairs), checkpoints)
    model.normalise_prototypes()
    with placement.autocast():
        settle_statistics(model, settings, seed, len(pairs), losses)
    return model.eval(), tokenizer


class PrototypeTrainer(Trainer):
    """A Trainer of one MGCA that brings its prototypes back to length 1 after each step.

    A checkpoint then holds what the next step begins with. The running mean follows the step itself.
    """

    def _follow(self, step: int) -> None:
        super()._follow(step)
        for model in self.modules.values():
            if isinstance(model, MGCA):
                model.normalise_prototypes()


def _training_loss(
    losses: Callable[[np.ndarray, torch.Generator, bool], Losses],
    model: MGCA,
    trainer: Trainer,
    settings: Section,
    count: int,
) -> Callable[[np.ndarray, torch.Generator], Tensor]:
    films = settings["batch_size"] * settings["gradient_accumulation"]
    frozen = settings["freeze_prototypes_epochs"] * count
    weights = settings["losses"]
    watched = model.prototype_layer.weight

    def loss(rows: np.ndarray, noise: torch.Generator) -> Tensor:
        # The optimizer knows how many steps were made, after a restart too.
        done = int(trainer.optimizer.state.get(watched, {}).get("step", 0))
        parts = losses(rows, noise, done * films >= frozen)
        return weights["instance"] * parts.ita + weights["token"] * parts.cta + weights["prototype"] * parts.cpa

    return loss


def settle_statistics(
    model: nn.Module,
    settings: Section,
    seed: int,
    count: int,
    losses: Callable[[np.ndarray, torch.Generator, bool], Losses],
) -> None:
    """Replace the running mean and variance of every BatchNorm by the mean over `statistics_batches` fresh batches.

    A training never reads them, so they are no part of its checkpoints; and of the final weights (or their running mean)
    they say more than a trail of the weights before.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    with torch.no_grad():
        for batch in range(settings["statistics_batches"]):
            rows = batch_rows(seed, STATISTICS, batch, settings["batch_size"], count)
            losses(rows, batch_noise(seed, STATISTICS, batch), False)
    for norm, momentum in zip(norms, before):
        norm.momentum = momentum


@torch.no_grad()
def embed(model: MGCA, pairs: ReportPairs, tokenizer: BertTokenizer, resolution: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the embeddings of films and reports, float (N, D) on the CPU, and a number for each text, int (N,)."""
    side, pad = input_side(model.settings, resolution), model.settings["image"]["pad"]
    device = model.prototype_layer.weight.device
    captions = tokenize(pairs.captions, tokenizer)
    images, reports = [], []
    for first in range(0, len(pairs), BLOCK):
        rows = np.arange(first, min(first + BLOCK, len(pairs)))
        films = crop(pairs.images(rows), side, pad, None).to(device)
        images.append(model.img_encoder_q(films)[0].float().cpu())
        reports.append(model.text_encoder_q(captions.rows(rows).to(device))[0].float().cpu())
    return torch.cat(images), torch.cat(reports), captions.texts


def retrieval(images: Tensor, reports: Tensor, texts: Tensor) -> dict[str, float | int]:
    """Return how often a film's report is the nearest of all N to it (`top1`) or among the five nearest (`top5`).

    images, reports (N, D) unit vectors; `texts` int (N,): any report with the film's own text is right, so the same text
    is counted once in the ranking. `chance` is `top1` of a random text of these reports.
    """
    unique, first = np.unique(texts.numpy(), return_index=True)
    own_text = np.searchsorted(unique, texts.numpy())
    scores = images @ reports[torch.from_numpy(first)].T
    paired = scores[torch.arange(len(images)), torch.from_numpy(own_text)]
    better = (scores > paired[:, None]).sum(1)
    return {
        "films": len(images),
        "texts": len(unique),
        "top1": round(float((better < 1).double().mean()), 6),
        "top5": round(float((better < 5).double().mean()), 6),
        "chance": round(1 / len(unique), 6),
    }


def validate(
    model: MGCA, pairs: ReportPairs, tokenizer: BertTokenizer, resolution: int
) -> dict[str, float | int] | None:
    """Return the retrieval of held-out films; None when there are fewer than two."""
    if len(pairs) < 2:
        return None
    measured = retrieval(*embed(model, pairs, tokenizer, resolution))
    log(
        f"{STAGE}: of {measured['films']} held-out films {measured['top1']:.1%} find their report among {measured['texts']}"
    )
    return measured


def write_mgca(folder: Path, model: MGCA, tokenizer: BertTokenizer, notes: dict[str, Any]) -> None:
    """Write mgca.safetensors (names as published), tokenizer/ and mgca.json with the hash of the weights."""
    state = {key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})  # two entries would have no fixed order in the file
    save_tokenizer(tokenizer, folder / TOKENIZER)
    with (folder / WEIGHTS).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    content = {**notes, "settings": model.settings, "weights": digest, "fingerprint": digest[:16]}
    (folder / NOTES).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
