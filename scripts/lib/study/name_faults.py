"""Names that a configuration uses and does not have: datasets, arms, labels, structures, findings, metrics.

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from scripts.lib.study.arms import REAL
from scripts.lib.study.schema import unknown_key
from scripts.lib.study.tasks import METRICS, TASKS, targets_of

# What the phantom draws (scripts/lib/phantom/spec.py, which needs numpy).
FINDINGS = (
    *("atelectasis", "cardiomegaly", "consolidation", "edema", "pleural_effusion", "pneumonia", "pneumothorax"),
    *("rib_fracture", "chest_tube"),
)
# Where names stand, the names, and those that there are.
Named = tuple[str, Iterable[str], Collection[str]]


def unknown_names(config: Mapping[str, Any]) -> list[str]:
    """Return one fault for each place that names a dataset, arm, label or finding which the configuration does not have."""
    arms, datasets, palette = config["arms"], config["datasets"], config["controlnet"]["palette"]
    labels = list(dict.fromkeys(label for section in datasets.values() for label in _labels(section)))
    structures = [name for section in datasets.values() for name in section.get("structures") or []]
    named: list[Named] = [
        *_of_the_study(config),
        *_of_other_stages(config),
        ("figures.figure3.labels", config["figures"]["figure3"]["labels"], labels),
        *((f"arms.{arm}.cells.datasets", arms[arm].get("cells", {}).get("datasets", []), datasets) for arm in arms),
        *((f"arms.{arm}.cohort", [arms[arm]["cohort"]], datasets) for arm in arms if "cohort" in arms[arm]),
        ("controlnet.palette", palette if isinstance(palette, Mapping) else [], list(dict.fromkeys(structures))),
        *_of_metrics(config),
        *_of_figures(config, [REAL, *arms, *labels]),
        *_of_datasets(datasets),
        # Prompts of the shared section serve the datasets of every overlay; those of a dataset serve its own labels.
        ("conditions.prompts", config["conditions"]["prompts"], [*labels, "normal"]),
    ]
    return [
        unknown_key(where, str(name), list(known))
        for where, names, known in named
        for name in names
        if name not in known
    ]


def _of_the_study(config: Mapping[str, Any]) -> Iterator[Named]:
    study, external, arms, datasets = config["study"], config["trials"]["external"], config["arms"], config["datasets"]
    yield "study.datasets", study["datasets"], datasets
    yield "study.foundation", study["foundation"], datasets
    yield "study.generator_dataset", [study["generator_dataset"]], datasets
    yield "study.arms", study["arms"], arms
    yield "trials.external", external, datasets
    for name, others in external.items():
        yield f"trials.external.{name}", others, datasets
    yield "trials.images", config["trials"]["images"], datasets
    for name, shown in config["trials"]["images"].items():
        yield f"trials.images.{name}", shown, arms
    yield "figures.arm", [config["figures"]["arm"]], arms
    yield "figures.beside", config["figures"]["beside"], arms


def _of_other_stages(config: Mapping[str, Any]) -> Iterator[Named]:
    """Yield where a stage beside the trials names a dataset or arm whose films or images it reads."""
    source, feedback, datasets = config["finetune"]["source"], config["feedback"], config["datasets"]
    yield "finetune.source.arm", [source["arm"]], config["arms"]
    yield "finetune.source.dataset", [source["dataset"]], datasets
    yield "proxy.validation.dataset", [config["proxy"]["validation"]["dataset"]], datasets
    yield "feedback.splits", feedback["splits"], datasets
    sources = config["faithfulness"]["sources"]
    yield "faithfulness.sources", sources, datasets
    for name, one in sources.items():
        yield f"faithfulness.sources.{name}.dataset", [one["dataset"]], datasets
    judge = config["edits"]["judge"]
    yield "edits.judge.dataset", [judge["dataset"]] if judge else [], datasets
    yield "leakage.links", [link["dataset"] for link in config["leakage"]["links"]], datasets
    yield "feedback.sets.mask_dataset", [feedback["sets"]["mask_dataset"]], datasets
    for part in ("findings", "masks"):
        simulated = feedback["simulation"]["judge"][part]["dataset"]
        yield f"feedback.simulation.judge.{part}.dataset", [simulated], datasets


def _of_metrics(config: Mapping[str, Any]) -> Iterator[Named]:
    statistics = config["statistics"]
    yield "statistics.metrics", [name.partition(":")[0] for name in statistics["metrics"]], METRICS
    yield "statistics.bootstrap.metrics", statistics["bootstrap"]["metrics"], METRICS
    for task, name in config["figures"]["metrics"].items():
        yield f"figures.metrics.{task}", [name], TASKS[task].metrics


def _of_figures(config: Mapping[str, Any], printed: list[str]) -> Iterator[Named]:
    for key in ("figure3", "figure4"):
        figure = config["figures"][key]
        yield f"figures.{key}.dataset", [figure["dataset"]], config["datasets"]
        yield f"figures.{key}.arms", figure["arms"], config["arms"]
        yield f"figures.{key}.names", figure["names"], printed


def _of_datasets(datasets: Mapping[str, Any]) -> Iterator[Named]:
    for name, section in datasets.items():
        prompts = section.get("conditions", {}).get("prompts", {})
        yield f"datasets.{name}.conditions.prompts", prompts, [*_labels(section), "normal"]
        if section.get("structures") is not None:
            yield f"datasets.{name}.cover", section.get("cover", {}), section["structures"]
        for key in ("prevalence", "accompany"):
            yield f"datasets.{name}.phantom.{key}", section.get("phantom", {}).get(key, {}), FINDINGS


def _labels(section: Mapping[str, Any]) -> list[str]:
    return [*section["labels"], *targets_of(section)]
