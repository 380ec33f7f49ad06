"""Hold the films on which an arm is tested against all films that taught its models; a hit ends with one line and the table.

    python -m scripts.check_leakage --dataset rsna --arm original --cohorts rsna=results/rsna/cohort \\
        mimic=results/mimic/cohort candid=results/candid/cohort --learned results/generators/controlnet \\
        --config leakage.json --out results/rsna/leakage/original.csv --hits results/logs/check_leakage/rsna_original.csv

Beside each cohort folder lies reduced.npy (scripts.reduce_films). `--hits` is written where the check stops a run.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--dataset", required=True, help="name of the tested dataset")
    parser.add_argument("--arm", required=True, help="name of the arm")
    parser.add_argument(
        "--cohorts", nargs="+", required=True, help="NAME=FOLDER of the tested cohort and of those that taught"
    )
    parser.add_argument(
        "--learned", type=Path, nargs="*", default=[], help="model folders or lists that the arm depends on"
    )
    parser.add_argument(
        "--elsewhere", type=Path, nargs="*", default=[], help="folders of images that somebody made elsewhere"
    )
    add_config(parser, "the section leakage, with `tuning`: whether trials set films aside")
    parser.add_argument("--out", type=Path, required=True, help="table of the check (.csv)")
    parser.add_argument("--hits", type=Path, required=True, help="the same table where a hit stops the run (.csv)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.learned import all_learned
    from scripts.lib.core.atomic import atomic_file
    from scripts.lib.core.errors import InputError
    from scripts.lib.core.log import log
    from scripts.lib.evidence.leakage import check_arm, stopping_line
    from scripts.lib.evidence.leakage_stores import check_lists, open_stores
    from scripts.lib.evidence.tables import write_table

    args.hits.unlink(missing_ok=True)
    stores = open_stores(args.cohorts)
    check_lists([*args.learned, *args.elsewhere])
    table = check_arm(args.dataset, args.arm, stores, all_learned(args.learned, args.elsewhere), args.config)
    line = stopping_line(table, args.hits)
    with atomic_file(args.hits if line else args.out) as path:
        write_table(table, path)
    if line:
        raise InputError(line)
    for head in table[(table["kind"] == "all") & (table["verdict"] != "clean")].itertuples():
        log(f"{args.dataset}, arm {args.arm}: {head.split} films against role {head.role}: {head.verdict}: {head.note}")


if __name__ == "__main__":
    run(main)
