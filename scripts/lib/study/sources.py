"""Where a dataset's raw tree lies, which files tell that it has changed, and what to do when it is not there.

The Snakefile imports this module: standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.paths import files_below
from scripts.lib.formats.sources import tables, where_to_get
from scripts.lib.study.arms import arm_of
from scripts.lib.study.config import stage

PHANTOM = "phantom"
PROMPT_INFO = "prompt_INFO.csv"  # CheXGenBench's table of generated images
# Placeholders of roots, and what somebody has to say.
PLACES = {"data": "the folder that holds the raw datasets", "films": "the folder of your own films"}
WEIGHTS = (
    "expected a Stable Diffusion model in diffusers format: RoentGen (forms.gle/9T7AdS2kPwtMq2pj8, for credentialed users "
    "of MIMIC-CXR, licence creativeml-openrail-m), or base.path: null to train a small one on study.foundation"
)
ENCODERS = (
    "expected an image encoder as .safetensors or MGCA's .ckpt (linked from the README of github.com/HKU-MedAI/MGCA, "
    "Apache 2.0), or imagenet, or null"
)


def root_of(section: Mapping[str, Any], dataset: str) -> str:
    """Return the root of a dataset's raw tree; `root: phantom` stands for the tree that the workflow draws itself."""
    return f"results/phantom/{dataset}" if section["root"] == PHANTOM else section["root"]


def tracked_files(section: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the files whose change makes the cohort anew: the phantom's manifest, or the real tree's tables."""
    if section["root"] == PHANTOM:
        return [f"results/phantom/{dataset}.json"]
    return [str(path) for path in tables(section["format"], section["root"], section.get("reader"))]


def pool_tables(path: str, reader: Mapping[str, Any] | None = None) -> list[Path]:
    """Return the tables of images that somebody made elsewhere: of a cohort store, CheXGenBench's table, or a folder's own; of
    a folder without any table the folders below it, which say what the images show.

    A path below results/ is a store that the workflow makes, there or not yet.
    """
    folder = Path(path)
    if folder.is_file():
        return [folder]
    if made_here(path) or (folder / "cohort.json").is_file():
        return [folder / "cohort.json", folder / "index.parquet"]
    if (folder / PROMPT_INFO).is_file():
        return [folder / PROMPT_INFO]
    if not reader and (below := class_folders(folder)):
        return below
    return tables("folder", folder, reader)


def class_folders(root: Path) -> list[Path]:
    """Return the folders below a folder without a table that hold files: their times change with what lies in them."""
    if any(root.glob("*.csv")):
        return []
    return sorted({(root / file).parent for file in files_below(root, ("",), ())} - {root})


def made_here(path: str) -> bool:
    """Whether a path is one of the workflow's own results."""
    return Path(path).parts[:1] == ("results",)


def _missing_pools(config: Mapping[str, Any]) -> Iterator[str]:
    for name in config["study"].get("arms", ()):
        if not (path := arm_of(config, name).path) or made_here(path):
            continue
        try:
            missing = [table for table in pool_tables(path, config["arms"][name].get("reader")) if not table.exists()]
        except InputError as error:
            raise InputError(f"config: arms.{name}.reader: {error}") from None
        if missing:
            yield (
                f"arms.{name}.path = {path}: no such file: {missing[0]}; expected a folder with a table (arms.{name}.reader.table), "
                f"{PROMPT_INFO}, a folder for each class, or a cohort; see docs/own-images.md"
            )


def missing_sources(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each real dataset, table or weight that the study names and the disk does not have."""
    study = config["study"]
    generators = [arm_of(config, name).generator for name in config["arms"]]
    taught = any(generator.own_films for generator in generators if generator)
    wanted = list(dict.fromkeys([*study["datasets"], *([study["generator_dataset"]] if taught else [])]))
    if config["base"]["path"] is None:
        wanted += [name for name in study["foundation"] if name not in wanted]
    elif (base := Path(config["base"]["path"])).is_file():
        yield (
            f"base.path = {base}: one file; expected a folder in diffusers format; make it with "
            f"python -m scripts.convert_base --file {base} --like FOLDER_OF_THE_SAME_ARCHITECTURE --out FOLDER"
        )
    elif not (base / "model_index.json").is_file():
        yield f"base.path = {base}: no model_index.json there; {WEIGHTS}"
    for name in study["datasets"]:
        weights = stage(config, "trials", name)["model"]["weights"]
        if weights not in (None, "imagenet", "mgca") and not Path(weights).exists():
            yield f"trials.model.weights of {name} = {weights}: no such file; {ENCODERS}"
    if any(stage(config, "trials", name)["model"]["weights"] == "mgca" for name in study["datasets"]):
        wanted += [name for name in study["foundation"] if name not in wanted]
        bert = config["mgca"]["text"]["path"]
        if bert and not Path(bert).is_dir():
            yield f"mgca.text.path = {bert}: no such folder; expected a BERT with safetensors, or null"
    yield from _missing_pools(config)
    for name in wanted:
        section = config["datasets"][name]
        if section["root"] == PHANTOM:
            continue
        advice = f"set datasets.{name}.root (get {where_to_get(section['format'])})"
        if not Path(section["root"]).is_dir():
            yield f"datasets.{name}.root = {section['root']}: no such folder; {advice}"
            continue
        for table in tables(section["format"], section["root"], section.get("reader")):
            if not table.is_file():
                yield f"datasets.{name}: {table}: no such file; {advice}"


def check_sources(config: Mapping[str, Any]) -> None:
    """Raise InputError naming everything that is missing: root, table or weight, where to get it, under which terms."""
    missing = list(missing_sources(config))
    for key, what in PLACES.items():
        if waiting := [line for line in missing if f"{{{key}}}" in line]:
            needed = ", ".join(line.partition(" = ")[0] for line in waiting)
            unset = f"`{key}`, {what}, is not set, and {needed} need it; add --config {key}=PATH, or CONFIG={key}=PATH to `make`"
            missing = [unset, *(line for line in missing if line not in waiting)]
    if missing:
        raise InputError.of(missing)
