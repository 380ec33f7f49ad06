"""Which experts vote on the images of an arm, and where what they say lies, asked of class Study.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.arms import CLASSIFIER, COPY, EXPERTS, PROXY, REALISM, SEGMENTER
from scripts.lib.study.cells import AnyCell
from scripts.lib.study.config import prompts_of
from scripts.lib.study.fidelity import Fidelity
from scripts.lib.study.judging import Judging
from scripts.lib.study.parts import check_part
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.study import Study
from scripts.lib.study.tasks import of_structures
from scripts.lib.study.teachers import JudgeFilms, classifier_source, shown_by


class Experting:
    """The files behind votes. Methods raise InputError, one line, for what does not fit."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config
        self.judging, self.fidelity = Judging(study), Fidelity(study)

    def names(self, cell: AnyCell) -> list[str]:
        """Return the experts of a cell; raises InputError for an arm without this filter, or a segmenter without masks."""
        chosen = self.study.arm(cell.arm).filter
        if not chosen or chosen.name != EXPERTS:
            raise InputError(f"arm {cell.arm}: no experts vote on its images; write arms.{cell.arm}.filter: {EXPERTS}")
        names: list[str] = self.config["experts"]["names"]
        if SEGMENTER in map(self.kind, names) and not self.structure(cell):
            raise InputError(f"config: experts.names: segmenter: the target of {cell.dataset} is no mask; take it out")
        return names

    def own(self, name: str) -> dict[str, str] | None:
        """Return kind and path of an expert from elsewhere, None for one of the workflow."""
        found: dict[str, str] | None = self.config["experts"]["own"].get(name)
        return found

    def kind(self, name: str) -> str:
        """Return what an expert is: one of arms.VOTERS."""
        own = self.own(name)
        return own["kind"] if own else name

    def structure(self, cell: AnyCell) -> str:
        """Return the structure that the segmenter finds, "" where the dataset's target is no mask."""
        masks = of_structures(self.config["datasets"][cell.dataset])
        return shown_by(self.config, cell.dataset)[0] if masks else ""

    def settings(self) -> dict[str, Any]:
        """Return what vote_pool reads."""
        own = {key: self.config["experts"][key] for key in ("need", "must", "accept", "floor")}
        others = {
            "percentile": self.config["memorisation"]["percentile"],
            "diversity": self.config["proxy"]["diversity"],
        }
        return {**own, **others}

    # Judges

    def source(self, cell: AnyCell, expert: str) -> JudgeFilms:
        """Return the films that taught the judge behind the classifier or the segmenter; realism looks at the same films."""
        if expert == CLASSIFIER:
            return classifier_source(self.config, cell.dataset)
        return self.judging.source(cell.dataset)

    def judge(self, job: Any) -> str:
        """Return the folder of the judge behind the expert `job.expert`."""
        own = self.own(job.expert)
        return own["path"] if own else f"results/judges/{self.source(job, job.expert).judge}"

    def judges(self, cell: AnyCell) -> list[str]:
        """Return the folders of the models that decide what an arm keeps; the firewall reads their lists of films.

        The judge of the films that validate and set thresholds is among them, and so are experts from elsewhere.
        """
        chosen = self.study.arm(cell.arm).filter
        voters = self.names(cell) if chosen and chosen.name == EXPERTS else []
        found = [f"results/judges/{self.source(cell, one).judge}" for one in voters if one in (CLASSIFIER, SEGMENTER)]
        elsewhere = [own["path"] for one in voters if (own := self.own(one))]
        return list(dict.fromkeys([*(found or [self.judging.judge(cell)]), *elsewhere]))

    def shown(self, job: Any) -> list[str]:
        """Return the labels, or the one structure, that the expert `job.expert` is asked for."""
        if self.kind(job.expert) == SEGMENTER:
            return [self.structure(job)]
        theirs = self.config["datasets"][self.source(job, CLASSIFIER).dataset]["labels"]
        labels = [label for label in self.config["datasets"][job.dataset]["labels"] if label in theirs]
        if (own := self.own(job.expert)) is None:
            return labels
        told = told_by(job.expert, own["path"])
        if not (shared := [label for label in labels if label in told]):
            raise InputError(
                f"config: experts.own.{job.expert}: tells {', '.join(told)}, and none of the labels of {job.dataset}; take it out"
            )
        return shared

    def own_films(self, job: Any) -> str:
        """Return the folder of the real films on which an expert from elsewhere is validated: those that teach the judges."""
        return f"results/{self.source(job, CLASSIFIER).dataset}/cohort"

    def own_files(self, job: Any) -> list[str]:
        """Return its files."""
        return [f"{self.own_films(job)}/{file}" for file in COHORT_FILES]

    def own_split(self, job: Any) -> str:
        """Return their split."""
        return self.source(job, CLASSIFIER).split

    # Realism

    def realism_cohort(self, cell: AnyCell) -> str:
        """Return the dataset whose real films images are held against: those that teach its judge, never test films."""
        return self.source(cell, REALISM).dataset

    def realism_split(self, cell: AnyCell) -> str:
        """Return their split."""
        return self.source(cell, REALISM).split

    def realism_films(self, cell: AnyCell) -> list[str]:
        """Return the files of that cohort."""
        return [f"results/{self.realism_cohort(cell)}/cohort/{file}" for file in COHORT_FILES]

    def realism_features(self, cell: AnyCell) -> str:
        """Return the features of its films."""
        return f"results/{self.realism_cohort(cell)}/features/{self.fidelity.search()}.npy"

    # The proxy model

    def proxy_dataset(self) -> str:
        """Return the dataset on whose films the proxy model is validated."""
        check_part(self.config, "proxy")
        return str(self.config["proxy"]["validation"]["dataset"])

    def proxy_films(self) -> list[str]:
        """Return the files of its cohort."""
        return [f"results/{self.proxy_dataset()}/cohort/{file}" for file in COHORT_FILES]

    def proxy_labels(self, job: Any) -> list[str]:
        """Return the labels that it is asked for: those of the dataset that have words and that real films can validate."""
        prompts, sections = prompts_of(self.config, job.dataset), self.config["datasets"]
        known = sections[self.proxy_dataset()].get("labels") or []
        labels = [
            one
            for one in sections[job.dataset].get("labels") or []
            if one in known and isinstance(prompts.get(one), str)
        ]
        if not labels:
            raise InputError(
                f"config: experts.names: proxy: no label of {job.dataset} has words (conditions.prompts) and films in "
                f"{self.proxy_dataset()} (proxy.validation); take proxy out, or name other films"
            )
        return labels

    # Votes

    def said(self, cell: AnyCell) -> list[tuple[str, str, str]]:
        """Return name, what it says of images, and of real films, for each expert but the one on copies."""
        pool, out = self.study.pool(cell), []
        for name in self.names(cell):
            films = {
                REALISM: f"{pool}/films-realism.parquet",
                PROXY: f"results/{cell.dataset}/experts/proxy.parquet",
            }
            if name in (CLASSIFIER, SEGMENTER):
                films[name] = f"results/judges/{self.source(cell, name).judge}"
            if own := self.own(name):
                films[name] = f"results/{cell.dataset}/experts/{name}.parquet"
            if name != COPY:
                out.append((f"{name}:{own['kind']}" if own else name, f"{pool}/expert-{name}.parquet", films[name]))
        return out

    def said_files(self, cell: AnyCell) -> list[str]:
        """Return those files, and those of the memory filter where copies are judged."""
        return [file for _, *files in self.said(cell) for file in files] + self.nearest(cell) + self.floor(cell)

    def options(self, cell: AnyCell) -> list[str]:
        """Return the experts as vote_pool takes them."""
        return [word for one in self.said(cell) for word in ("--expert", *one)]

    def nearest(self, cell: AnyCell) -> list[str]:
        """Return the nearest training films of the images, where copies are judged."""
        return self.fidelity.nearest(cell) if COPY in self.names(cell) else []

    def floor(self, cell: AnyCell) -> list[str]:
        """Return how near held-out films and planted copies come, where copies are judged."""
        return [self.fidelity.floor(cell)] if COPY in self.names(cell) else []


def told_by(name: str, path: str) -> list[str]:
    """Return the labels of an expert from elsewhere, as its folder says; raises InputError where it is no such folder."""
    try:
        return [str(one) for one in json.loads(Path(path, "judge.json").read_text(encoding="utf-8"))["names"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"config: experts.own.{name}.path = {path}: not the folder of an expert ({' '.join(str(error).split())[:100]}); expected "
            f"judge.json and model.safetensors, as scripts.convert_expert and train_judge write them"
        ) from None
