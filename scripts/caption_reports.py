"""Write captions of at most five words for the reports of films that the generator has not seen.

By rules on this machine, or by a language model behind an endpoint of OpenAI's form. Reports are sent to
no other machine unless `allow_remote_reports: true`.

    python -m scripts.caption_reports --cohorts results/mimic/cohort results/candid/cohort --config captions.json \\
        --out results/feedback/captions.parquet
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads

ANSWERS = Path("results/checkpoints/caption_reports")


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohorts", type=Path, nargs="+", required=True, help="prepared cohorts with reports")
    add_config(parser, "captions (section feedback.captions, with splits = feedback.splits)")
    parser.add_argument(
        "--splits", type=_splits, help="JSON: held-out splits of each dataset, in place of the settings'"
    )
    parser.add_argument(
        "--cache-dir", type=Path, default=ANSWERS, help=f"a model's answers are kept here (default {ANSWERS})"
    )
    parser.add_argument("--out", type=Path, required=True, help="table of captions (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.caption_remote import RemoteWriter
    from scripts.lib.feedback.caption_rules import caption
    from scripts.lib.feedback.captions import RULES, Writer, caption_table
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "captions")
    cohorts = [Cohort.open(folder) for folder in args.cohorts]
    write: Writer = caption
    source = RULES
    if settings.one_of("backend", RULES, "openai") == "openai":
        write, source = RemoteWriter(settings, [cohort.meta for cohort in cohorts], args.cache_dir), settings["model"]
    drop = source != RULES and settings.one_of("refused", "stop", "drop") == "drop"
    table, left_out = caption_table(cohorts, args.splits or settings["splits"], source, write, drop)
    with atomic_file(args.out) as path:
        table.to_parquet(path, index=False)
    print(f"{len(table)} captions, {table['caption'].nunique()} different; films left out: {dict(left_out) or 'none'}")


def _splits(text: str) -> dict[str, Any]:
    try:
        splits = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON ({error}); expected a mapping of dataset to splits") from None
    if not isinstance(splits, dict) or not all(isinstance(names, list) and names for names in splits.values()):
        raise argparse.ArgumentTypeError(f"{text[:80]}: expected a mapping of dataset to a list of splits")
    return splits


if __name__ == "__main__":
    run(main)
