"""Faults of a configuration, one line each: what the schema refuses, and what only makes no sense together.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.exposure import learned_split, validation_faults

SCHEMA_FILE = Path(__file__).resolve().parents[2] / "rules" / "config.schema.yaml"
NUMBER_TEXT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def schema_faults(config: Mapping[str, Any]) -> list[str]:
    """Return one line for each key that the schema does not take: unknown, wrong type, out of bounds, missing."""
    import jsonschema

    schema = yaml.safe_load(SCHEMA_FILE.read_text())
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    return [line for error in errors for line in _explain(error)]


def _explain(error: Any) -> list[str]:
    where = ".".join(str(part) for part in error.absolute_path) or "top level"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return [_unknown_key(where, str(key), known) for key in unknown]
    if error.validator == "required":
        return [f"config: {where}: {error.message.replace(' is a required property', '')} is missing"]
    value = json.dumps(error.instance, default=str)
    value = value if len(value) < 60 else value[:57] + "..."
    hint = ""
    if isinstance(error.instance, str) and NUMBER_TEXT.fullmatch(error.instance):
        hint = " (YAML reads 1e-4 as text: write 1.0e-4)"
    described = f"; it means: {error.schema['description']}" if "description" in error.schema else ""
    return [f"config: {where} = {value}: expected {_expected(error)}{hint}{described}"]


def _unknown_key(where: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
    return f"config: {where}: unknown key {key!r}; {advice}"


def _expected(error: Any) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
        "enum": "one of",
        "type": "type",
        "pattern": "text of the form",
        "minItems": "a list of at least this length:",
        "uniqueItems": "a list without repeats:",
        "const": "exactly",
    }
    if error.validator in ("anyOf", "oneOf"):
        return " or ".join(_expected(inner) for inner in error.context) or "another form"
    return f"{words.get(error.validator, error.validator)} {json.dumps(error.validator_value, default=str)}"


def sense_faults(config: Mapping[str, Any]) -> list[str]:
    """Return faults that a schema cannot see: names that do not exist, lists out of order, arms without a generator."""
    study, datasets, faults = config["study"], config["datasets"], []
    for key in ("datasets", "foundation"):
        for name in study[key]:
            if name not in datasets:
                faults.append(
                    "config: study."
                    + key
                    + ": "
                    + _unknown_key("datasets", name, list(datasets)).removeprefix("config: ")
                )
    if study["generator_dataset"] not in datasets:
        faults.append(_unknown_key("study.generator_dataset", study["generator_dataset"], list(datasets)))
    figure, source = config["figures"]["figure3"], config["finetune"]["source"]
    for where, arms in (
        ("study.arms", study["arms"]),
        ("figures.figure3.arms", figure["arms"]),
        ("figures.figure4.arms", config["figures"]["figure4"]["arms"]),
        ("finetune.source", [source["arm"]]),
    ):
        faults += [_unknown_key(where, arm, list(config["arms"])) for arm in arms if arm not in config["arms"]]
    for where, name in (("figures.figure3", figure["dataset"]), ("finetune.source", source["dataset"])):
        if name not in datasets:
            faults.append(_unknown_key(where, name, list(datasets)))
    faults += _feedback_faults(config) + validation_faults(config)
    if config["arms"].get(source["arm"], {}).get("filter") is None:
        faults.append(
            f"config: finetune.source.arm = {source['arm']}: expected an arm with a filter, whose choice is learned"
        )
    per_fraction = study["multipliers"]
    for fraction in study["fractions"]:
        if f"{fraction:g}" not in per_fraction:
            faults.append(f'config: study.multipliers: no list for fraction {fraction:g}; add the key "{fraction:g}"')
    for fraction, multipliers in per_fraction.items():
        if multipliers != sorted(multipliers) or multipliers[0] != 0:
            faults.append(
                f"config: study.multipliers.{fraction} = {multipliers}: expected ascending numbers that begin with 0 (real only)"
            )
    return faults


def _feedback_faults(config: Mapping[str, Any]) -> list[str]:
    """Return faults of the section `feedback`: unknown datasets, masks of another cohort than the pool's, seen films."""
    feedback, study = config["feedback"], config["study"]
    faults = [
        _unknown_key("feedback.splits", name, list(config["datasets"]))
        for name in feedback["splits"]
        if name not in config["datasets"]
    ]
    masks = feedback["sets"]["mask_dataset"]
    if masks != study["generator_dataset"]:
        faults.append(
            f"config: feedback.sets.mask_dataset = {masks}: expected study.generator_dataset ({study['generator_dataset']})"
        )
    for name in study["foundation"]:
        learned = learned_split(config, name)
        if config["base"]["path"] is None and learned in feedback["splits"].get(name, []):
            faults.append(
                f"config: feedback.splits.{name}: the foundation model learns from split {learned}; hold out another"
            )
    return faults + _leaks(config)


def _leaks(config: Mapping[str, Any]) -> list[str]:
    """Return one fault for each dataset whose trials would be tested on films that taught their generator.

    Tuning to preferences learns from images that were made from masks and reports of feedback.splits.
    """
    splits, arms, source = config["feedback"]["splits"], config["arms"], config["finetune"]["source"]
    taught = {"dpo"}
    if arms.get(source["arm"], {}).get("generator") in taught:
        taught.add("proxy-tuned")
    study, figures = config["study"], config["figures"]
    wanted = [(arm, name, "study.arms") for name in study["datasets"] for arm in study["arms"]]
    for key in ("figure3", "figure4"):
        wanted += [(arm, figures[key]["dataset"], f"figures.{key}.arms") for arm in figures[key]["arms"]]
    faults = {}
    for arm, name, where in wanted:
        own = arms.get(arm, {})
        here = name in own.get("cells", {}).get("datasets", [name])
        if here and own.get("generator") in taught and "test" in splits.get(name, []):
            faults[name] = (
                f"config: feedback.splits.{name} = {splits[name]}: arm {arm} ({where}) is tested on the test films of "
                f"{name}, whose masks and reports teach its generator; take test out, or leave {name} out of "
                f"arms.{arm}.cells.datasets"
            )
    return list(faults.values())
