"""Tune a generator to raters' preferences by Diffusion-DPO; the result is a generator like any other, with two tables.

monitor.csv   checks during the training on the pairs that choose the step
accuracy.csv  how often the chosen step orders these pairs, and pairs that have neither taught nor chosen, as the raters did

    python -m scripts.train_dpo --generator results/generators/controlnet --pool results/feedback/pool/shard-0 \\
        --preferences results/feedback/preferences-train.jsonl --heldout results/feedback/preferences-heldout.jsonl \\
        --report results/feedback/preferences-report.jsonl --config dpo.json --seed 1 --checkpoint-dir results/checkpoints/train_dpo --out results/generators/dpo
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads
from scripts.lib.training.identity import resume_identity
from scripts.lib.training.options import add_training, refuse_same

if TYPE_CHECKING:
    import numpy as np


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--generator", type=Path, required=True, help="generator in diffusers' layout")
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shard folders of the rated pool, in order")
    parser.add_argument("--preferences", type=Path, required=True, help="pairs to learn from (.jsonl)")
    parser.add_argument(
        "--heldout", type=Path, required=True, help="pairs of other sets, which choose the step (.jsonl)"
    )
    parser.add_argument("--report", type=Path, required=True, help="pairs of yet other sets, to report on (.jsonl)")
    parser.add_argument(
        "--learned",
        type=Path,
        nargs="*",
        default=[],
        help="lists of the films behind the ratings; left out = not known",
    )
    add_config(parser, "the preference tuning (section dpo)")
    add_training(parser, "the new generator")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    refuse_same(args.generator, args.out)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        tune_generator(args)


def tune_generator(args: Namespace) -> None:
    """Tune the generator on the pairs, and publish it."""
    from scripts.lib.cohort.learned import inherited, not_known, write_learned
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.preferences import read_pairs
    from scripts.lib.generators.controlled.absence import tuned_absence
    from scripts.lib.generators.controlled.control_training import write_generator
    from scripts.lib.generators.controlled.generator import open_generator
    from scripts.lib.generators.controlled.preference_pairs import find_pairs
    from scripts.lib.generators.controlled.preference_report import refuse_shared
    from scripts.lib.generators.controlled.preference_training import PairSets, tune
    from scripts.lib.training.checkpoints import Checkpoints, publish
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "dpo")
    pool = Cohort.open(args.pool)
    tables = (args.preferences, args.heldout, args.report)
    sets = PairSets(*(find_pairs(read_pairs(path), pool, str(path)) for path in tables))
    refuse_shared(sets.report.sets, [*sets.train.sets, *sets.heldout.sets], str(args.report))
    placement = place(settings, shared=True)
    generator = open_generator(args.generator)
    identity = resume_identity(
        "train_dpo",
        args.config,
        generator.fingerprint,
        *pool.index["sha256"],
        *pool.index["report"].fillna(""),
        *(path.read_text() for path in tables),
        args.seed,
    )
    checkpoints = Checkpoints(args.checkpoint_dir, identity, settings["checkpoint_seconds"])
    networks, monitor, accuracy = tune(generator, pool, sets, settings, args.seed, placement, checkpoints)
    notes = {key: generator.notes[key] for key in ("structures", "palette")}
    notes |= {"absent_mask": tuned_absence(generator.notes, settings["trains"]), "lineage": generator.lineage}
    with publish(args.out, placement, checkpoints) as folder:
        if folder:
            write_generator(folder, args.out, args.generator, generator, networks, kind="dpo", **notes)
            behind = [inherited(path, "raters") for path in args.learned] or [not_known("raters")]
            write_learned(folder, [inherited(args.generator, "base"), *behind])
            _write_tables(folder, monitor, accuracy)


def _write_tables(folder: Path, monitor: np.ndarray, accuracy: list[dict[str, Any]]) -> None:
    """Write the two tables, and say what the chosen step came to."""
    import pandas as pd

    from scripts.lib.core.log import log
    from scripts.lib.formats.csv_text import MISSING
    from scripts.lib.generators.controlled.monitored_training import MONITOR
    from scripts.lib.generators.controlled.preference_report import COLUMNS

    form: dict[str, Any] = {"index": False, "float_format": "%.9g", "lineterminator": "\n"}
    table = pd.DataFrame(monitor, columns=list(MONITOR)).astype({"step": "int64"})
    table.to_csv(folder / "monitor.csv", **form)
    pd.DataFrame(accuracy, columns=list(COLUMNS)).to_csv(folder / "accuracy.csv", na_rep=MISSING, **form)
    last = accuracy[-1]
    log(
        f"step {last['step']} orders {last['accuracy']:.3f} of {last['pairs']} pairs of {last['sets']} sets that it "
        f"has not seen as the raters did (95 % interval {last['ci_low']:.3f} to {last['ci_high']:.3f}; 0.5 is chance)"
    )


if __name__ == "__main__":
    run(main)
