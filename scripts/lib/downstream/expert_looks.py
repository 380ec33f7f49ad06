"""How each expert of a study looks at one image: its files among the study's results, opened once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.core.parquet import read_parquet
from scripts.lib.downstream.judged import findings
from scripts.lib.downstream.judges import HELD, Judge, open_judge
from scripts.lib.fidelity import experts
from scripts.lib.fidelity.floor import open_films
from scripts.lib.fidelity.networks import open_extractor
from scripts.lib.fidelity.realism import distances, realism_of_films, realism_table
from scripts.lib.fidelity.sources import read_floor, taught
from scripts.lib.fidelity.thumbnails import thumbnails
from scripts.lib.filters.proxy.asking import ask
from scripts.lib.filters.proxy.model import open_proxy
from scripts.lib.study.arms import CLASSIFIER, COPY, PROXY, REALISM, SEGMENTER
from scripts.lib.study.config import stage
from scripts.lib.study.fidelity import Fidelity, network_of
from scripts.lib.study.study import Study
from scripts.lib.study.teachers import JudgeFilms, classifier_source, judge_source
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section

Look = Callable[
    [Cohort], experts.Expert
]  # what an expert says of a store of one image, beside what it says of real films


class MissingFilesError(Exception):
    """A file that an expert needs is not there; the message is one line that says how it is made."""


class Looks:
    """Opens experts from the results of a study; `config` is the whole configuration, `generator` the folder of the images' model."""

    def __init__(self, results: Path, config: Mapping[str, Any], generator: Path) -> None:
        self.results, self.config, self.generator = Path(results), config, generator
        self.dataset: str = config["study"]["generator_dataset"]
        self.labels = list(config["datasets"][self.dataset].get("labels") or [])
        self.placement = place(Section(stage(dict(config), "sampling"), "sampling"))

    def open(self, name: str) -> Look:
        """Return how an expert looks; raises MissingFilesError for files that are not there, InputError for those that cannot be read."""
        openers = {CLASSIFIER: self._classifier, SEGMENTER: self._segmenter, REALISM: self._realism, COPY: self._copy, PROXY: self._proxy}  # fmt: skip
        return openers[name]()

    def _need(self, path: Path, how: str) -> Path:
        if not path.exists():
            raise MissingFilesError(f"{path} is not there; {how}")
        return path

    def _judge(self, source: JudgeFilms) -> tuple[Judge, pd.DataFrame]:
        folder = self._need(self.results / "judges" / source.judge, f"make it with snakemake results/judges/{source.judge}")  # fmt: skip
        return open_judge(folder, self.placement), read_parquet(folder / HELD, "table of a judge", "train it anew")

    def _classifier(self) -> Look:
        judge, held = self._judge(classifier_source(self.config, self.dataset))
        labels = [name for name in self.labels if name in judge.names and f"asked_{name}" in held]
        return lambda store: experts.of_labels(CLASSIFIER, held, self._found(judge, store, labels), labels)

    def _segmenter(self) -> Look:
        source = judge_source(self.config, self.dataset)
        if not source.structure:
            raise InputError(f"config: experts.names: segmenter: the target of {self.dataset} is no mask; take it out")
        judge, held = self._judge(source)
        return lambda store: experts.of_masks(
            SEGMENTER, held, self._found(judge, store, [source.structure]), source.structure
        )

    def _found(self, judge: Judge, store: Cohort, shows: list[str]) -> pd.DataFrame:
        return findings(judge, store, np.array([0]), shows, self.placement, "image_id")

    def _search(self) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
        """Return the name of the network by which films are compared, and its features of images uint8 (n, H, H)."""
        network, settings = network_of(self.config["memorisation"]["features"]), Section(self.config["fidelity"], "fidelity")  # fmt: skip
        path = self.config["proxy"]["model"] or "" if network.name == "proxy" else network.path
        extractor, size = open_extractor(network.name, path, self.placement, settings["batch_size"]), settings["batch_size"]  # fmt: skip
        alone = open_extractor(network.name, path, self.placement, 1)

        def features_of(images: np.ndarray) -> np.ndarray:
            if len(images) == 1:
                return alone(images)
            return np.concatenate([extractor(images[start : start + size]) for start in range(0, len(images), size)])

        return network.name, features_of

    def _features(self, dataset: str, network: str) -> Path:
        name = f"{dataset}/features/{network}.npy"
        return self._need(self.results / name, f"make it with snakemake results/{name}")

    def _realism(self) -> Look:
        source, nearest = judge_source(self.config, self.dataset), self.config["fidelity"]["nearest"]
        network, features_of = self._search()
        files = self.results / source.dataset / "cohort", self._features(source.dataset, network)
        known, real = realism_of_films(files, source.split, features_of, nearest)

        def look(store: Cohort) -> experts.Expert:
            features = features_of(store.images([0])).astype(float)
            return experts.of_realism(
                REALISM, real, realism_table(store.index["image_id"].tolist(), distances(features, known, nearest))
            )

        return look

    def _copy(self) -> Look:
        settings = Section(self.config["memorisation"], "memorisation")
        target = f"generators/floors/{self.generator.name}.parquet"
        floor = read_floor(self._need(self.results / target, f"make it with snakemake results/{target}"))
        network, features_of = self._search()
        teachers = Fidelity(Study(self.config)).teachers(self.generator.name)
        learned, _ = taught(self.generator, self.results, list(dict.fromkeys(name for name, _ in teachers)))
        for name in learned.cohorts:
            self._features(name, network), self._features(name, "pixels")
        films = open_films(learned, self.results, network)

        def look(store: Cohort) -> experts.Expert:
            image = store.images([0])
            near = films.nearest(thumbnails(image), features_of(image), settings["candidates"])
            return experts.of_copies(COPY, floor, near.similarity, settings["percentile"])

        return look

    def _proxy(self) -> Look:
        target = f"{self.dataset}/experts/proxy.parquet"
        held = read_parquet(self._need(self.results / target, f"make it with snakemake results/{target}"), "table of the proxy model", "make it anew")  # fmt: skip
        settings = Section(stage(dict(self.config), "ask_proxy"), "proxy")
        proxy = open_proxy(self.config["proxy"]["model"] or str(self.results / "proxy" / "model"), self.placement, 1)
        labels = [name for name in self.labels if f"asked_{name}" in held and isinstance(settings["prompts"].get(name), str)]  # fmt: skip
        return lambda store: experts.of_labels(PROXY, held, ask(proxy, store, np.array([0]), labels, settings), labels)
