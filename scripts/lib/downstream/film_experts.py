"""What the experts of a study say of one image: those whose files its results have, each validated on real films first.

An expert that cannot look, or may not vote, has no vote, and says why. No vote is never a yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.downstream.expert_looks import Look, Looks, MissingFilesError
from scripts.lib.fidelity import experts
from scripts.lib.fidelity.voting import count_votes
from scripts.lib.training.settings import Section

NAME = "film"  # of the one image


@dataclass(frozen=True)
class FilmVote:
    """An expert's vote on one image: True, False, or None for no vote; `note` says why."""

    expert: str
    vote: bool | None
    note: str


@dataclass(frozen=True)
class FilmVerdict:
    """The votes on one image, and whether they are enough: None where fewer experts could vote than are needed."""

    votes: list[FilmVote]
    accepted: bool | None
    note: str

    def told(self) -> dict[str, Any]:
        """Return the verdict as JSON takes it."""
        votes = [{"expert": one.expert, "vote": one.vote, "note": one.note} for one in self.votes]
        return {"votes": votes, "accepted": self.accepted, "note": self.note}

    def said(self) -> str:
        """Return the verdict as one line."""
        words = {True: "yes", False: "no", None: "no vote"}
        word = {True: "accepted", False: "refused", None: "neither accepted nor refused"}[self.accepted]
        return f"{word} ({', '.join(f'{one.expert} {words[one.vote]}' for one in self.votes)}; {self.note})"


class FilmExperts:
    """The experts of a study (section experts), opened once.

    results    folder of the study's results; config: the whole configuration, as read
    generator  folder of the generator whose images they look at; structures: those of the masks to come

    An expert whose files are missing has no vote on any image; a file that is there and cannot be read raises InputError.
    """

    def __init__(self, results: Path, config: Mapping[str, Any], generator: Path, structures: Sequence[str]) -> None:
        self.structures, self.own = list(structures), Section(config["experts"], "experts")
        looks = Looks(results, config, generator)
        self.dataset, self.labels = looks.dataset, looks.labels
        self._looks: dict[str, Look] = {}
        self._why: dict[str, str] = {}
        self._worth: dict[str, pd.DataFrame] = {}
        for name in self.own["names"]:
            try:
                self._looks[name] = looks.open(name)
            except MissingFilesError as missing:
                self._why[name] = str(missing)

    def votes(self, image: np.ndarray, field: np.ndarray, shown: Mapping[str, str]) -> FilmVerdict:
        """Return what the experts say of an image, uint8 (H, H), of a mask, uint8 (H, H), that shows these findings."""
        votes: dict[str, np.ndarray] = {}
        notes = dict(self._why)
        with TemporaryDirectory(prefix="synthorax-film-") as folder:
            store = self._store(Path(folder), image, field, shown)
            for name, look in self._looks.items():
                expert = look(store)
                if name not in self._worth:
                    self._worth[name] = experts.validate(expert, self.own["accept"], self.own["floor"])
                votes[name] = experts.vote(expert, self._worth[name])
                notes[name] = _note(expert, self._worth[name], votes[name])
        said = [FilmVote(name, _vote(votes.get(name)), notes[name]) for name in self.own["names"]]
        return self._verdict(said, votes)

    def _verdict(self, said: list[FilmVote], votes: Mapping[str, np.ndarray]) -> FilmVerdict:
        need, must = self.own["need"], self.own["must"]
        every = {one.expert: votes.get(one.expert, np.array([np.nan])) for one in said}
        rule = f"{need} of {len(said)} votes{', ' + ', '.join(must) + ' among them' if must else ''}"
        if count_votes(every, need, must)[0]:
            return FilmVerdict(said, True, rule)
        # What those that have no vote could have said.
        if not count_votes({name: np.nan_to_num(one, nan=1.0) for name, one in every.items()}, need, must)[0]:
            return FilmVerdict(said, False, rule)
        silent = [one.expert for one in said if one.vote is None]
        return FilmVerdict(said, None, f"{rule}; not known, as {', '.join(silent)} had no vote")

    def _store(self, folder: Path, image: np.ndarray, field: np.ndarray, shown: Mapping[str, str]) -> Cohort:
        """Return a store of this one image, whose labels are what its mask shows."""
        labels = {name: int(name in shown) for name in self.labels if name in self.structures}
        row = {"image_id": NAME, "patient_id": NAME, "split": "synthetic", "sha256": "", "synthetic": True}
        with CohortWriter(folder, image.shape[0], self.structures, self.labels, {"dataset": self.dataset}) as writer:
            writer.add(image, field, row | labels)
        return Cohort.open(folder)


def _vote(given: np.ndarray | None) -> bool | None:
    return None if given is None or np.isnan(given[0]) else bool(given[0])


def _note(expert: experts.Expert, worth: pd.DataFrame, given: np.ndarray) -> str:
    """Return why an expert refuses an image, or has no vote on it; "" for a yes."""
    if given[0] == 1:
        return ""
    of_subject = worth.set_index("subject")
    score, refused, unsaid = expert.images.score[0], [], []
    for place, subject in enumerate(expert.images.subjects):
        row, name = of_subject.loc[subject], subject.replace("_", " ")
        if expert.images.asked[0, place] != 1:
            continue
        if not row["votes"] or np.isnan(score[place]):
            unsaid.append(f"{name}: {row['note'] or 'no score'}")
        elif score[place] < row["threshold"]:
            refused.append(name)
    if refused:
        return f"below its threshold: {', '.join(refused)}"
    return "; ".join(unsaid) or "the mask shows nothing that it was validated for"
