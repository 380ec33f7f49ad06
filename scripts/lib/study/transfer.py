"""What a dataset's models were trained on and tested on, in words: the rows and columns of the transfer table.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from typing import Any

from scripts.lib.study.arms import ALONE, REAL
from scripts.lib.study.cells import AnyCell, Cell
from scripts.lib.study.config import to_json
from scripts.lib.study.study import Study
from scripts.lib.study.tasks import LABELS, TASKS

OWN = "own films"
IMAGES_OF = "images of"
REAL_FILMS, BOTH = "real films", "real films and"
# What an arm adds, by its source; films of another dataset have that one's name.
ADDED = {
    "generator": "images",
    "pool": "images made elsewhere",
    "duplicate": "the same films again",
    "augmented": "the same films, changed",
    "reconstructed": "the same films, reconstructed",
    "extra-real": "other real films",
}


class Transfer:
    """The tables of a study whose models are tested on more than the films of their own dataset."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config

    def trained_on(self, arm: str, dataset: str) -> str:
        """Return what the trials of an arm learn from."""
        if arm == REAL:
            return REAL_FILMS
        source, other = self.study.arm(arm).source, self.study.arm(arm).cohort
        added = f"films of {self._title(other)}" if source.cohort else ADDED[source.name]
        kind = self.study.cell_settings(Cell(dataset, arm, ""))["mixing"]["kind"]
        if kind == ALONE:
            return added
        return f"{added}, then {REAL_FILMS}" if kind == "pretrain" else f"{BOTH} {added}"

    def settings(self, job: AnyCell) -> dict[str, Any]:
        """Return what tabulate_transfer reads of the configuration."""
        dataset, config = job.dataset, self.config
        task = TASKS[config["datasets"][dataset]["task"]]
        metrics = [config["figures"]["metrics"][task.name], *(["auroc"] if task.says == LABELS else [])]
        cells = self.study.cells([dataset], [REAL, *self.study.arms], self.study.fractions)
        tested = [["test", dataset, OWN]]
        tested += [["external", name, self._title(name)] for name in self.study.external(dataset)]
        tested += [["images", arm, f"{IMAGES_OF} {arm}"] for arm in self.study.tested_images(dataset)]
        return {
            "arms": {arm: self.trained_on(arm, dataset) for arm in dict.fromkeys(cell.arm for cell in cells)},
            "tested": tested,
            "metrics": list(dict.fromkeys(metrics)),
            "draws": config["statistics"]["bootstrap"]["draws"],
            "empty_policy": self.study.scoring_settings(dataset).get("empty_policy", "exclude"),
            "resolution": self.study.resolution,
        }

    def look(self) -> str:
        """Return what plot_transfer reads of the configuration: sizes, and titles of the tested datasets."""
        titles = {name: self._title(name) for name in self.study.transferred()}
        return to_json({**{key: self.config["figures"][key] for key in ("width_mm", "dpi")}, "titles": titles})

    def _title(self, dataset: str) -> str:
        return str(self.config["datasets"][dataset].get("title", dataset))
