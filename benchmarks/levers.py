"""What each lever of the sampler costs and keeps: processor time beside faithfulness, labels and distance from real films.

All variants make the same images (same conditions, same noise), a batch each in turn, so other work on the machine slows all
alike. Judges are small models that learned from real films alone: a segmenter of the generator split of study.generator_dataset
and a classifier of the foundation cohort. Needs the cohorts, conditions and generator of a study that has run.

    snakemake --cores 2 results/generators/controlnet results/{siim,rsna,chexpert}/conditions/original/fraction-0.1.parquet
    python -m benchmarks.levers --results results --images 256
    python -m benchmarks.levers --results results --only "as stock" "6 steps" --set solver=unipc
"""

from __future__ import annotations

import json
import resource
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study import config as study_config

ROOT = Path(__file__).resolve().parents[1]
BASELINE = "as stock"
# Changes of the section `sampling` by variant; the first is what the others are held against. `cache`: every so many steps
# the deep blocks are computed anew, between them their answer is kept (DeepCache, levers_cache.py).
VARIANTS: dict[str, dict[str, Any]] = {
    BASELINE: {"steps": 10, "guidance_interval": [0.0, 1.0]},
    "guided below 0.8": {"steps": 10, "guidance_interval": [0.0, 0.8]},
    "guided 0.3 to 0.8": {"steps": 10, "guidance_interval": [0.3, 0.8]},
    "guided 0.4 to 1": {"steps": 10, "guidance_interval": [0.4, 1.0]},
    "guided 0.6 to 1": {"steps": 10, "guidance_interval": [0.6, 1.0]},
    "8 steps": {"steps": 8},
    "6 steps": {"steps": 6},
    "5 steps": {"steps": 5},
    "4 steps": {"steps": 4},
    "6 steps, unipc": {"steps": 6, "solver": "unipc"},
    "5 steps, unipc": {"steps": 5, "solver": "unipc"},
    "4 steps, unipc": {"steps": 4, "solver": "unipc"},
    "3 steps, unipc": {"steps": 3, "solver": "unipc"},
    "5 steps, unipc, guided below 0.9": {"steps": 5, "solver": "unipc", "guidance_interval": [0.0, 0.9]},
    "4 steps, unipc, guided below 0.9": {"steps": 4, "solver": "unipc", "guidance_interval": [0.0, 0.9]},
    "every second step cached": {"steps": 10, "cache": 2},
    "batches of 32": {"steps": 10, "micro_batch": 32},
}
MASKS, TEXTS = ("siim", "candid"), ("rsna", "chexpert")


def processor_seconds() -> float:
    """Return user and system seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def requests_of(results: Path, dataset: str, config: Mapping[str, Any], count: int) -> tuple[list[Any], Any]:
    """Return the first `count` requests of a dataset's largest pool, and its Conditions."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.generators.shards import open_conditions

    folder = results / dataset / "conditions" / config["figures"]["arm"]
    path = max(folder.glob("fraction-*.parquet"), key=lambda path: path.stat().st_size)
    conditions, rows = open_conditions(path, Cohort.open(results / dataset / "cohort"), 0, 1)
    return [conditions.request(int(row)) for row in rows[:count]], conditions


class Contest:
    """The variants side by side: `images[variant][kind]` uint8 (n, H, W) and `seconds[variant][kind]`."""

    def __init__(self, generator: Path, base: Mapping[str, Any], variants: Mapping[str, Mapping[str, Any]]) -> None:
        self.generator, self.base, self.variants = generator, base, variants
        self.images: dict[str, dict[str, list[Any]]] = {name: {} for name in variants}
        self.seconds: dict[str, dict[str, float]] = {name: {} for name in variants}

    def sampler(self, changes: Mapping[str, Any], structures: list[str], seed: int) -> Any:
        """Return a sampler of its own networks; the same `--seed` gives all variants the same noise."""
        from benchmarks.levers_cache import cache_deep
        from scripts.lib.generators.controlled.generator import open_generator
        from scripts.lib.generators.controlled.sampling import ControlledModel
        from scripts.lib.generators.solving import Sampler
        from scripts.lib.training.settings import Section

        settings = Section({**self.base, **changes}, "sampling")
        model = ControlledModel(open_generator(self.generator), structures, settings)
        if changes.get("cache"):
            cache_deep(model, changes["cache"])
        return Sampler(model, settings, seed)

    def run(self, kind: str, requests: list[Any], structures: list[str], seed: int, turn: int = 64) -> None:
        """Make all images of a kind with every variant, `turn` of them in turns."""
        from scripts.lib.generators.shards import make_batch

        samplers = {name: self.sampler(changes, structures, seed) for name, changes in self.variants.items()}
        for sampler in samplers.values():
            make_batch(sampler, requests[:1])
        for start in range(0, len(requests), turn):
            for name, sampler in samplers.items():
                before = processor_seconds()
                made = make_batch(sampler, requests[start : start + turn])
                self.seconds[name][kind] = self.seconds[name].get(kind, 0.0) + processor_seconds() - before
                self.images[name].setdefault(kind, []).append(made)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what is done and what it cost."""
    before = processor_seconds()
    yield
    print(f"# {what}: {processor_seconds() - before:.0f} s of processor", flush=True)


def spread(differences: Any) -> float:
    """Return the standard error of a mean of paired differences (n,)."""
    return float(differences.std(ddof=1) / len(differences) ** 0.5)


def compare(options: Namespace) -> list[dict[str, Any]]:
    """Return a row a variant, after one for real films; prints what is there after each kind of images."""
    import numpy as np

    from benchmarks import levers_judges as judges

    config = study_config.load_study([ROOT / "config.yaml"])
    variants = {name: changes for name, changes in VARIANTS.items() if not options.only or name in options.only}
    base = {**config["sampling"], "precision": "fp32", "device": "cpu"} | dict(options.set)
    contest = Contest(options.results / "generators" / options.generator, base, variants)
    rows: list[dict[str, Any]] = [{"variant": name} for name in ("real films", *variants)]
    for kind, make in (("mask", judges.segmentation_judge), ("text", judges.label_judge)):
        if kind not in options.kinds:
            continue
        with told("judge"):
            judge = make(config, options.results)
        made: dict[str, list[Any]] = {name: [] for name in variants}
        for dataset in MASKS if kind == "mask" else TEXTS:
            requests, conditions = requests_of(options.results, dataset, config, options.images)
            wanted = judge.wanted(requests, conditions)
            with told(f"{len(requests)} images of {dataset} with {len(variants)} variants"):
                contest.run(kind, requests, conditions.cohort.structures, options.seed)
            for name in variants:
                images = np.concatenate(contest.images[name].pop(kind))
                made[name].append((images, judge.score(images, wanted)))
        judged(rows, kind, judge, made, contest)
        print(table(rows), flush=True)
    return rows


def judged(
    rows: list[dict[str, Any]], kind: str, judge: Any, made: Mapping[str, list[tuple[Any, Any]]], contest: Contest
) -> None:
    """Write into the rows what was found of one kind: milliseconds an image, score with its standard error, KID."""
    import numpy as np

    from benchmarks import levers_judges as judges

    real = judges.random_features(judge.films)
    halves = np.array_split(np.random.default_rng(1).permutation(len(real)), 2)
    rows[0] |= {
        f"score_{kind}": judge.real,
        f"kid_{kind}": judges.kid(*(judges.standardised(real)[0][half] for half in halves)),
    }
    baseline = np.concatenate([scores for _, scores in next(iter(made.values()))])
    for row, (name, parts) in zip(rows[1:], made.items()):
        images, scores = (np.concatenate(part) for part in zip(*parts))
        row[f"ms_{kind}"] = 1000 * contest.seconds[name][kind] / len(images)
        row[f"score_{kind}"], row[f"se_{kind}"] = float(scores.mean()), spread(scores - baseline)
        row[f"kid_{kind}"] = judges.kid(*judges.standardised(real, judges.random_features(images)))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table; times also as a share of the first variant's."""
    columns = [f"{what}_{kind}" for kind in ("mask", "text") for what in ("ms", "score", "se", "kid")]
    lines = ["| variant | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    first = rows[1]
    for row in rows:
        shown = []
        for column in columns:
            value = row.get(column)
            text = (
                ""
                if value is None
                else f"{value:.1f} ({value / first[column]:.2f})"
                if column[:2] == "ms"
                else f"{value:.3f}"
            )
            shown.append(text)
        lines.append(f"| {row['variant']} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def setting(text: str) -> tuple[str, Any]:
    """Return a key and its JSON value of KEY=VALUE; a bare word is a text."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder of a study that has run")
    parser.add_argument("--generator", default="controlnet", help="which of its generators (default controlnet)")
    parser.add_argument("--images", type=int, default=256, help="images of each dataset and variant (default 256)")
    parser.add_argument("--only", nargs="+", help="variants; the first named in the list is the baseline (default all)")
    parser.add_argument(
        "--kinds", nargs="+", default=["mask", "text"], choices=["mask", "text"], help="kinds of images"
    )
    parser.add_argument("--set", nargs="+", type=setting, default=[], help="KEY=VALUE of the section sampling, for all")
    parser.add_argument("--seed", type=int, default=1, help="seed of the noise")
    options = parser.parse_args(argv)
    set_threads(options.threads)
    compare(options)


if __name__ == "__main__":
    run(main)
