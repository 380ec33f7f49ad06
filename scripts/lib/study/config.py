"""The study's configuration: checked against the schema, its placeholders filled, and cut into stages.

The Snakefile imports this module, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.study.faults import sense_faults
from scripts.lib.study.files import read_yaml
from scripts.lib.study.following import follow_study, with_section_defaults
from scripts.lib.study.layers import lay_over, merge
from scripts.lib.study.likes import with_likes
from scripts.lib.study.schema import retyped, schema_faults
from scripts.lib.study.tasks import TASKS, of_structures, targets_of

ROOT = Path(__file__).resolve().parents[3]
CONFIG_FILE = ROOT / "config.yaml"
DEFAULTS = ROOT / "studies" / "defaults"
PLACEHOLDER = re.compile(r"\{(films|data)\}")
PER_DATASET = (
    "write_phantom",
    "prepare_cohort",
    "conditions",
    "trials",
    "score_trials",
    "score_pool",
    "filter_pool",
    "ask_proxy",
    "sample_masks",
)
# Keys of the section trials that a training does not read: how its predictions are scored.
SCORING = ("empty_policy",)
OTHERS = (*SCORING, "external", "images")  # of all datasets
FIGURES = ("figure2", "figure3", "figure4", "figure5")
# Where the keys of section `training` hold, and which of them; a section's own value comes before that of `training`.
MODEL = ("device", "precision")
RUN = (*MODEL, "checkpoint_seconds")
STEP = ("gradient_accumulation", "matrices", "schedule", "warmup", "beta2", "weight_decay", "clip", "ema")
TRAINED = {
    "base": RUN,
    "base.vae": STEP,
    "base.text": STEP,
    "base.unet": STEP,
    "controlnet": (*RUN, *STEP),
    "mgca": (*RUN, *STEP),
    "proxy": MODEL,
    "proxy.train": ("checkpoint_seconds", *STEP),
    "finetune": (*RUN, *STEP),
    "dpo": (*RUN, *STEP),
    "masks": (*RUN, *STEP),
    "masks.sampling": MODEL,
    "class_ldm": RUN,
    "class_ldm.autoencoder": STEP,
    "class_ldm.unet": STEP,
    "sampling": MODEL,
    "fidelity": MODEL,
    "faithfulness": MODEL,
    "edits": MODEL,
    "trials": (*RUN, "schedule", "warmup"),
}
# What each step of the proxy model reads of its section.
PROXY = {
    "train_proxy": ("device", "precision", "train"),
    "validate_proxy": ("device", "precision", "batch_size", "templates", "rank_by", "validation"),
    "score_pool": ("device", "precision", "batch_size", "templates"),
    "ask_proxy": ("device", "precision", "batch_size", "templates", "rank_by"),
    "filter_pool": ("rank_by", "percentile", "allow_unvalidated", "prefixes", "diversity"),
}


def load_study(paths: Iterable[str | Path], given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the whole checked configuration of a study, with placeholders filled; raises InputError.

    paths  config.yaml and its overlays, in order; the defaults lie below them
    given  values of `--config`, laid on top of all files; Snakemake hands numbers inside of them on as text
    """
    config = read_study(paths)
    return resolve(retyped(lay_over(config, given), given) if given else config)


def read_study(paths: Iterable[str | Path]) -> dict[str, Any]:
    """Return the defaults with the files of a study laid on top, in order, as they are written: nothing is checked.

    Raises InputError where a file is no plain YAML or JSON.
    """
    config: dict[str, Any] = {}
    for path in [*default_files(), *paths]:
        config = lay_over(config, read_yaml(path))
    return config


def default_files() -> list[Path]:
    """Return the files of the settings inside each model; no two of them set the same key. Raises InputError."""
    if not (files := sorted(DEFAULTS.glob("*.yaml"))):
        raise InputError(f"{DEFAULTS}: no default settings; this copy of Synthorax is not whole")
    return files


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked configuration, section `training` in its places and `{films}` and `{data}` filled.

    Raises InputError with one line a fault.
    """
    config = with_section_defaults(config)
    if faults := schema_faults(config):
        raise InputError.of(faults)
    whole = with_prompts(follow_study(with_likes(with_training(config)), _plain()))
    if faults := sense_faults(whole):
        raise InputError.of(faults)
    return _fill(whole, whole)


@cache
def _plain() -> dict[str, Any]:
    """Return the default study as it is written."""
    return read_study([CONFIG_FILE])


def with_training(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with the keys of `training` in all sections of TRAINED that do not set them themselves."""
    shared: dict[str, Any] = {}
    for section, keys in TRAINED.items():
        part: dict[str, Any] = {key: config["training"][key] for key in keys}
        for name in reversed(section.split(".")):
            part = {name: part}
        shared = merge(shared, part)
    return merge(shared, config)


def with_prompts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with a prompt for each label of a dataset that has none: its name, in plain words."""
    known = config["conditions"]["prompts"]
    own: dict[str, str] = {}
    for section in config["datasets"].values():
        for label in (*section["labels"], *targets_of(section)):
            if label not in known and not of_structures(section):
                own[label] = label.replace("_", " ")
    return merge(config, {"conditions": {"prompts": own}}) if own else dict(config)


def _fill(value: Any, config: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(inner, config) for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, config) for inner in value]
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: str(config.get(match[1]) or match[0]), value)
    return value


def to_json(value: Any) -> str:
    """Return canonical JSON: sorted keys, so that the order of keys in a file never causes a rerun."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def stage(config: Mapping[str, Any], name: str, dataset: str | None = None) -> dict[str, Any]:
    """Return the settings of one stage, with the dataset's own overrides laid on top.

    `prepare_cohort` and `write_phantom` take the dataset's section; `conditions` and `trials` take the section of that
    name, merged with `datasets.{dataset}.{name}`, and the dataset's task and target; `conditions` also what the trials
    set aside, from which no image may be made; `score_trials` takes the keys SCORING of `trials`, which no training reads. Other names are plain sections.
    """
    if name in FIGURES:
        shared = {key: value for key, value in config["figures"].items() if key not in FIGURES or key == name}
        beside, there = shared.pop("beside"), set(config["study"]["arms"]) - {shared["arm"]}
        if name == "figure2":
            shared["beside"] = {arm: text for arm, text in beside.items() if arm in there}
        shown = [shared[name]["dataset"]] if "dataset" in shared.get(name, {}) else config["study"]["datasets"]
        return {**shared, "datasets": [_described(config, dataset) for dataset in shown]}
    if name in PROXY:
        prompts = {} if name == "train_proxy" else {"prompts": prompts_of(config, dataset)}
        return {key: config["proxy"][key] for key in PROXY[name]} | prompts
    if name == "train_mask_model":
        return {key: value for key, value in config["masks"].items() if key not in ("sampling", "measure")}
    if name == "measure_masks":
        return dict(config["masks"]["measure"])
    if name == "sample_masks":
        trials = stage(config, "trials", dataset)
        aside = {key: trials[key] for key in ("validation_share", "validation_patients")}
        return {"sampling": config["masks"]["sampling"], **aside}
    if dataset is None:
        return dict(config[name])
    section = config["datasets"][dataset]
    if name == "write_phantom":
        return dict(section.get("phantom") or {})
    if name == "prepare_cohort":
        unused = ("conditions", "trials", "phantom", "task", "target", "title")
        return {key: value for key, value in section.items() if key not in unused}
    task = {key: section[key] for key in ("task", "target") if key in section}
    if name == "conditions":
        trials = stage(config, "trials", dataset)
        task |= {key: trials[key] for key in ("validation_share", "validation_patients")}
    if name == "score_trials":
        own = merge(task_settings(config, "trials", section), section.get("trials") or {})
        return {key: own[key] for key in SCORING if key in own} | task
    own = {**merge(task_settings(config, name, section), section.get(name) or {}), **task}
    return {key: value for key, value in own.items() if key not in OTHERS}


def prompts_of(config: Mapping[str, Any], dataset: str | None) -> dict[str, str]:
    """Return the words of the labels, a dataset's own where it has some."""
    return (stage(config, "conditions", dataset) if dataset else config["conditions"])["prompts"]


def _described(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    section = config["datasets"][dataset]
    return {"name": dataset, "title": section.get("title", dataset), "task": section["task"]}


def task_settings(config: Mapping[str, Any], name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section's settings; keys named after tasks are cut down to the dataset's own task and merged in."""
    shared = {key: value for key, value in config[name].items() if key not in TASKS}
    return merge(shared, config[name].get(section.get("task"), {}))


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Figure 1 says of a study: names, fractions, multipliers, trials and downstream models."""
    study = config["study"]
    used = dict.fromkeys(stage(config, "trials", name)["model"]["encoder"] for name in study["datasets"])
    return {
        "titles": {name: config["datasets"][name].get("title", name) for name in study["datasets"]},
        "foundation": study["foundation"],
        "base": config["base"]["path"],
        "fractions": sorted(study["fractions"]),
        "multipliers": max(study["multipliers"].values(), key=len),
        "trials": study["trials"],
        "models": [f"{name} encoder" for name in used],
    }
