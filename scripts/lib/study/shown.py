"""Which cells and films figures, reports and raters are shown, asked of class Study.

A part of the configuration that only these need is checked when they ask for it, so that Figure 2 of somebody's own films does
not stop at what the raters' section says. Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.cells import AnyCell, Cell, cell_of
from scripts.lib.study.config import described
from scripts.lib.study.exposure import proxy_judged_on_training
from scripts.lib.study.parts import check_part
from scripts.lib.study.pools import COHORT_FILES
from scripts.lib.study.sources import PHANTOM
from scripts.lib.study.study import MGCA, Study
from scripts.lib.study.tasks import of_structures, targets_of


class Shown:
    """What is shown of a study. Methods raise InputError, one line, where the part that they need does not fit the study."""

    def __init__(self, study: Study) -> None:
        self.study, self.config = study, study.config
        self._fitting: set[str] = set()

    def need(self, part: str) -> None:
        """Raise InputError unless a part of the configuration fits the study (study/parts.py names the parts)."""
        if part not in self._fitting:
            check_part(self.config, part)
            self._fitting.add(part)

    # Figures

    def bars(self, figure: str) -> tuple[str, list[str], list[str]]:
        """Return the dataset, arms and fractions behind the bars of Figure 3 or 4."""
        self.need(figure)
        chosen = self.config["figures"][figure]
        return chosen["dataset"], chosen["arms"], [f"{chosen['fraction']:g}"]

    def scored_cell(self) -> Cell:
        """Return the pool whose scored images Figures 1 and 3 show: that of Figure 3's first filtered arm."""
        dataset, arms, (fraction,) = self.bars("figure3")
        arm = next((arm for arm in arms if self.study.arm(arm).filter), arms[0])
        return Cell(dataset, arm, fraction)

    def scored_list(self) -> str:
        """Return the list of what was kept of that pool."""
        return f"{self.study.pool(self.scored_cell())}/kept.parquet"

    def scored_tables(self) -> list[str]:
        """Return the proxy model's scores of that pool."""
        return self.study.scores(self.scored_cell())

    def scored_shards(self) -> list[str]:
        """Return its shard folders."""
        return self.study.shards(self.scored_cell())

    def scored_files(self) -> list[str]:
        """Return the files of those shards."""
        return self.study.shard_files(self.scored_cell())

    def scored_reports(self) -> list[str]:
        """Return the sheet and the report of what was kept of that pool."""
        return [f"{self.study.pool(self.scored_cell())}/{name}" for name in ("kept.png", "report.md")]

    def example_cell(self, masks: bool) -> Cell | None:
        """Return the study's first dataset with masks (or without), in Figure 2's arm and the second smallest fraction.

        Where a generator makes no images for that arm, the study's first arm that has one; None where none has.
        """
        fraction = sorted(self.config["study"]["fractions"])[:2][-1]
        arms = [arm for arm in (self.config["figures"]["arm"], *self.study.arms) if self.study.arm(arm).generator]
        for dataset in self.study.datasets if arms else ():
            if of_structures(self.config["datasets"][dataset]) == masks:
                return Cell(dataset, arms[0], f"{fraction:g}")
        return None

    def example_files(self, masks: bool) -> list[str]:
        """Return the files of that cell's pool, none where there is no such dataset."""
        cell = self.example_cell(masks)
        return self.study.shard_files(cell) if cell else []

    def example_shards(self, masks: bool) -> list[str]:
        """Return the shards of that cell's pool, none where there is no such dataset."""
        cell = self.example_cell(masks)
        return self.study.shards(cell) if cell else []

    def example_conditions(self) -> list[str]:
        """Return the conditions of the pool made from masks, none where no dataset has masks."""
        cell = self.example_cell(True)
        return [self.study.conditions(cell)] if cell else []

    def example_cohort(self) -> list[str]:
        """Return the cohort that those masks come from, none where no dataset has masks."""
        cell = self.example_cell(True)
        return [self.study.cohort(cell)] if cell else []

    def figure1(self) -> dict[str, Any]:
        """Return what the boxes of Figure 1 say."""
        cell = self.example_cell(True)
        target = targets_of(self.config["datasets"][cell.dataset])[0] if cell else None
        sizes = {name: self.config["figures"][name] for name in ("width_mm", "dpi")}
        return {**described(self.config), **sizes, "target": target}

    # The proxy model

    def tuning_cell(self) -> Cell:
        """Return the cell whose kept images fine-tune the generator."""
        self.need("finetune")
        return cell_of(self.config["finetune"]["source"])

    def tuning_list(self) -> str:
        """Return the list of what was kept there."""
        return f"{self.study.pool(self.tuning_cell())}/kept.parquet"

    def tuning_conditions(self) -> str:
        """Return the table of what that pool was made from."""
        return self.study.conditions(self.tuning_cell())

    def tuning_cohort(self, file: str) -> str:
        """Return a file of the cohort that its masks come from."""
        return self.study.cohort_file(self.tuning_cell(), file)

    def tuning_shards(self) -> list[str]:
        """Return the shard folders of its pool."""
        return self.study.shards(self.tuning_cell())

    def tuning_files(self) -> list[str]:
        """Return the files of those shards."""
        return self.study.shard_files(self.tuning_cell())

    def validation_cohort(self) -> str:
        """Return the cohort that the proxy model is held against."""
        self.need("proxy")
        return f"results/{self.study.store(self.config['proxy']['validation']['dataset'])}/cohort"

    def validation_note(self) -> str:
        """Return what a reader of the proxy model's validation must know of its films, "" where nothing."""
        name = self.config["proxy"]["validation"]["dataset"]
        if name not in self.study.datasets or not proxy_judged_on_training(self.config, name):
            return ""
        return f"training films of {name}, whose trials at smaller fractions may not use all of them"

    def roles(self, cell: AnyCell) -> dict[str, Any]:
        """Return which model does what in a filtered arm, for its report."""
        judge = self.study.trial_settings(cell.dataset)["model"]
        return {
            "dataset": cell.dataset,
            "arm": cell.arm,
            "fraction": cell.fraction,
            "exposure": self.study.exposure(cell),
            "proxy": self.study.proxy(),
            "proxy_trained_here": self.config["proxy"]["model"] is None,
            "foundation": self.study.foundation,
            "judge": judge,
            "judge_trained_here": judge["weights"] == MGCA,
        }

    # Raters

    def captioned(self, pattern: str) -> list[str]:
        """Return a path, {} for the dataset, in each dataset that raters see films of; an empty list of splits leaves one out."""
        self.need("feedback")
        return [pattern.format(name) for name in self._captioned()]

    def judged(self, pattern: str) -> list[str]:
        """Return the same in each dataset that simulated raters learn from."""
        self.need("simulation")
        return [pattern.format(name) for name in self._captioned()]

    def unseen(self) -> list[str]:
        """Return the real datasets whose raters are simulated: only a phantom's own raters may go without a word."""
        return [name for name in self._captioned() if self.config["datasets"][name]["root"] != PHANTOM]

    def _captioned(self) -> list[str]:
        return [name for name, splits in self.config["feedback"]["splits"].items() if splits]

    def feedback(self, part: str) -> dict[str, Any]:
        """Return one part of the section `feedback`, with what all parts share."""
        splits: Mapping[str, Any] = self.config["feedback"]["splits"]
        return {"splits": {name: own for name, own in splits.items() if own}, **self.config["feedback"][part]}

    def rated_shards(self) -> list[str]:
        """Return the shard folders of the pool that raters see."""
        return [f"results/feedback/pool/shard-{shard}" for shard in range(self.config["feedback"]["shards"])]

    def rated_files(self) -> list[str]:
        """Return the files of those shards."""
        return [f"{shard}/{name}" for shard in self.rated_shards() for name in COHORT_FILES]

    def ratings(self) -> str:
        """Return the raters' log: that of the rating app, or of simulated raters where the configuration names none."""
        return self.config["feedback"]["ratings"] or "results/feedback/simulated.jsonl"

    def ratings_learned(self) -> list[str]:
        """Return the lists of the films behind the ratings: of the rated images, and of the judges of simulated raters."""
        judges = [] if self.config["feedback"]["ratings"] else ["results/feedback/simulated_from.parquet"]
        return ["results/feedback/learned_from.parquet", *judges]
