"""Write the small pictures of a cohort in which copies of its films are searched.

python -m scripts.reduce_films --cohort results/rsna/cohort --out results/rsna/reduced.npy
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort")
    parser.add_argument("--out", type=Path, required=True, help="pictures (.npy)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.reduced import write_reduced
    from scripts.lib.cohort.store import Cohort

    write_reduced(Cohort.open(args.cohort, columns=["image_id"]), args.out)


if __name__ == "__main__":
    run(main)
