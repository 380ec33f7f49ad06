"""Defaults that follow the study: what an overlay leaves out speaks of its own datasets, never of the phantom's.

Only values that are those of config.yaml and studies/defaults/ are replaced, and only where they name a dataset (or a fraction)
that the study does not have. What an overlay itself says stays, and is refused where it does not fit (study/faults.py).
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.lib.study.parts import study_datasets
from scripts.lib.study.shared import with_shared
from scripts.lib.study.tasks import of_structures, targets_of

PHANTOM = "phantom"
SPLIT = {"generator": 0.3, "test": 0.3}  # of a dataset that says nothing of its split


def with_section_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with what a dataset's section may leave out: format, labels, structures, split; or all but its task.

    A section without a format is a folder with a table. Its labels are its target; of a segmentation, so are its structures.
    """
    sections = config.get("datasets")
    if not isinstance(sections, Mapping):
        return dict(config)
    return {**config, "datasets": {name: _section(own) for name, own in with_shared(sections).items()}}


def _section(own: Any) -> Any:
    if not isinstance(own, Mapping) or "target" not in own or own.get("format", "folder") != "folder":
        return own
    targets, masks = targets_of(own), of_structures(own)
    filled = {"format": "folder", "split": SPLIT, "structures": targets if masks else []}
    return {**filled, "labels": [] if masks else targets, **own}


def follow_study(config: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with each default that names something outside of the study replaced by what the study has.

    plain  config.yaml and studies/defaults/ alone
    """
    config = {**config, "study": _followed_study(config, plain)}
    own = _Own(config, plain)
    figures = {**config["figures"], **{key: own.cell("figures", key) for key in ("figure3", "figure4")}}
    finetune = {**config["finetune"], "source": own.cell("finetune", "source")}
    proxy = {**config["proxy"], "validation": own.validation()}
    return {**config, "figures": figures, "finetune": finetune, "proxy": proxy, "feedback": own.feedback()}


def _followed_study(config: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section study; where no dataset is the phantom's, the foundation learns from the study's own, too."""
    study, sections, names = dict(config["study"]), config["datasets"], config["study"]["datasets"]
    if not names or any(name not in sections or sections[name]["root"] == PHANTOM for name in names):
        return study

    # In a study of the paper's datasets mimic and candid are real as well, and stay.
    def drawn(names: Sequence[str]) -> bool:
        return any(sections.get(name, {}).get("root") == PHANTOM for name in names)

    if study["foundation"] == plain["study"]["foundation"] and drawn(study["foundation"]):
        study["foundation"] = list(names)
    if study["generator_dataset"] == plain["study"]["generator_dataset"] and drawn([study["generator_dataset"]]):
        masked = [name for name in names if sections[name].get("structures", True) != []]
        study["generator_dataset"] = (masked or names)[0]
    return study


class _Own:
    """What the study has in place of a default that it does not."""

    def __init__(self, config: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
        self.config, self.plain = config, plain
        self.names: list[str] = config["study"]["datasets"]
        self.known = study_datasets(config)
        self.sections: Mapping[str, Any] = config["datasets"]

    def first(self, *tasks: str) -> str:
        """Return the first dataset of the first of these tasks that the study has, else its first dataset."""
        found = (name for task in tasks for name in self.names if self.sections.get(name, {}).get("task") == task)
        return next(found, next(iter(self.names), ""))

    def free(self, name: str) -> str:
        """Return a split of a dataset from which no foundation model learns."""
        split = self.sections.get(name, {}).get("split")
        return "train" if isinstance(split, Mapping) and split.get("generator") else "validate"

    def cell(self, section: str, key: str) -> dict[str, Any]:
        """Return a section {dataset, fraction, multiplier} with each of these in the study."""
        cell, plain, study = dict(self.config[section][key]), self.plain[section][key], self.config["study"]
        if cell["dataset"] == plain["dataset"] and cell["dataset"] not in self.names and self.names:
            tasks = ("classification", "multilabel") if key == "figure4" else ("multilabel", "classification")
            cell["dataset"] = self.first(*tasks)
        fractions = sorted(study["fractions"])
        if cell["fraction"] == plain["fraction"] and cell["fraction"] not in fractions:
            cell["fraction"] = fractions[:2][-1] if key == "figure4" else fractions[0]
        wanted = [value for value in study["multipliers"].get(f"{cell['fraction']:g}", []) if value]
        if "multiplier" in cell and cell["multiplier"] == plain["multiplier"] and wanted:
            cell["multiplier"] = cell["multiplier"] if cell["multiplier"] in wanted else wanted[0]
        return cell

    def validation(self) -> dict[str, Any]:
        """Return proxy.validation."""
        own, plain = self.config["proxy"]["validation"], self.plain["proxy"]["validation"]
        if own["dataset"] != plain["dataset"] or own["dataset"] in self.known or not self.names:
            return own
        name = self.first("multilabel", "classification")
        return {**own, "dataset": name, "split": self.free(name) if own["split"] == plain["split"] else own["split"]}

    def feedback(self) -> dict[str, Any]:
        """Return the section feedback."""
        own, plain, masks = self.config["feedback"], self.plain["feedback"], self.config["study"]["generator_dataset"]
        splits = {
            name: value
            for name, value in own["splits"].items()
            if name in self.known or name not in plain["splits"] or value != plain["splits"][name]
        }
        if own["splits"] == plain["splits"] and not splits and self.names:
            splits = {
                name: [self.free(name)] for name in dict.fromkeys([self.first("multilabel", "classification"), masks])
            }
        sets = dict(own["sets"])
        if sets["mask_dataset"] == plain["sets"]["mask_dataset"] and sets["mask_dataset"] not in self.known:
            sets["mask_dataset"] = masks
            structures = self.sections.get(masks, {}).get("structures") or [sets["mask_target"]]
            if sets["mask_target"] == plain["sets"]["mask_target"] and sets["mask_target"] not in structures:
                sets["mask_target"] = structures[0]
        judge = own["simulation"]["judge"]
        judges = dict(judge)
        for part, name in (("findings", self.first("multilabel", "classification")), ("masks", masks)):
            theirs = plain["simulation"]["judge"][part]
            if judge[part]["dataset"] == theirs["dataset"] and theirs["dataset"] not in self.known and name:
                judges[part] = {**judges[part], "dataset": name}
                if self.free(name) == "train" and judge[part]["splits"] == theirs["splits"]:
                    judges[part] = {**judges[part], "splits": ["generator"]}
        simulation = {**own["simulation"], "judge": judges}
        return {**own, "splits": splits, "sets": sets, "simulation": simulation}
