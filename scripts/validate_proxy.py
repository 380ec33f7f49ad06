"""Measure how well the proxy model tells real films with a label from those without; the filter asks this table.

With --out-learned also the list of the films that decide what a filter keeps: those that taught the model, and these.

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
    parser.add_argument("--out-learned", type=Path, help="list of the films behind a filter's choice (.parquet)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.learned import films_learned, inherited, write_learned
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.filters.proxy.model import open_proxy
    from scripts.lib.filters.proxy.opening import LOCAL
    from scripts.lib.filters.proxy.validation import validate
    from scripts.lib.training.devices import place
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "proxy")
    proxy = open_proxy(args.model, place(settings), settings["batch_size"])
    cohort = Cohort.open(args.cohort)
    table = validate(proxy, cohort, args.split, settings, args.seed)
    table["note"] = ["; ".join(filter(None, [note, args.note])) for note in table["note"]]
    with atomic_file(args.out) as path:
        table.to_csv(path, index=False, lineterminator="\n", float_format="%.6f")
    if args.out_learned:
        films = films_learned(cohort, cohort.rows(split=args.split), "validation")
        write_learned(args.out_learned, [inherited(Path(args.model.removeprefix(LOCAL)), "proxy"), films])


if __name__ == "__main__":
    run(main)
