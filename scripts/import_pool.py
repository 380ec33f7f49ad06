"""Take in images that somebody made elsewhere: the result has the form of a pool, and trials read it like one.

    python -m scripts.import_pool --path /data/my-images --cohort results/rsna/cohort --cohorts results/rsna/cohort \\
        --config pool.json --arm mine --out results/rsna/pools/mine/imported

PATH is a folder with a table (the columns of the format `folder`; no patient is needed), CheXGenBench's prompt_INFO.csv, or a
cohort or pool of this workflow. Images that cannot be used, and repeats, are listed in quarantine.tsv.
"""

from __future__ import annotations

import logging
from pathlib import Path

from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--path", type=Path, required=True, help="folder or table of the images")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort of the dataset that they serve")
    parser.add_argument("--cohorts", type=Path, nargs="+", required=True, help="cohorts whose films no image may be")
    parser.add_argument("--arm", required=True, help="name of the arm")
    add_config(parser, "task, target, labels, how the cohort was prepared, reader, allow_one_class")
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    args = parser.parse_args(argv)
    set_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.pools.importing import PoolRequest, import_pool

    cohort = Cohort.open(args.cohort, ["image_id"])
    request = PoolRequest(args.path, cohort.meta["dataset"], args.arm, args.cohorts)
    import_pool(request, args.config, cohort.resolution, args.out, args.threads)


if __name__ == "__main__":
    run(main)
