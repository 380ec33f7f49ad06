"""Measure how well the proxy model tells real films with a label from those without; the filter asks this table.

    python -m scripts.validate_proxy --model results/proxy/model --cohort results/mimic/cohort --split validate \\
        --config proxy.json --seed 1 --out results/proxy/validation.csv
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--model", required=True, help="folder in open_clip's layout, or hf-hub: and a cached id")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort with labels")
    parser.add_argument("--split", required=True, help="split of the cohort to score, one the model did not learn from")
    add_config(parser, "scoring (section proxy, with prompts)")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--note", default="", help="what is to be known of these films; stands in each row's note")
    parser.add_argument("--out", type=Path, required=True, help="table (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.model import open_proxy
    from scripts.lib.filters.proxy.validation import validate
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "proxy")
    proxy = open_proxy(args.model, place(settings), settings["batch_size"])
    table = validate(proxy, Cohort.open(args.cohort), args.split, settings, args.seed)
    table["note"] = ["; ".join(filter(None, [note, args.note])) for note in table["note"]]
    with atomic_file(args.out) as path:
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.6f")


if __name__ == "__main__":
    run(main)
