"""Describe a filtered arm: which model made, scored and judged its images, and what the filter kept.

    python -m scripts.describe_arm --pool results/chexpert/pools/proxy-filtered/fraction-0.01/shard-0 \\
        --validation results/proxy/validation.csv --kept results/chexpert/pools/proxy-filtered/fraction-0.01/kept.csv \\
        --config about.json --out results/chexpert/pools/proxy-filtered/fraction-0.01/report.md
"""

from __future__ import annotations

import json
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="a shard of the pool")
    parser.add_argument("--validation", type=Path, required=True, help="validation of the proxy model (.csv)")
    parser.add_argument("--kept", type=Path, required=True, help="table of what was kept (.csv)")
    add_config(parser, "dataset, arm, fraction, proxy, proxy_trained_here, foundation, judge")
    parser.add_argument("--out", type=Path, required=True, help="report (.md)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.filters.proxy.kept_table import read_kept_table
    from scripts.lib.filters.proxy.report import arm_report, check_judge
    from scripts.lib.filters.proxy.usable import read_validation

    check_judge(args.config["proxy"], args.config["judge"])
    pool = json.loads((args.pool / "cohort.json").read_text())
    text = arm_report(args.config, pool, read_validation(args.validation), read_kept_table(args.kept))
    with atomic_file(args.out) as path:
        path.write_text(text)


if __name__ == "__main__":
    run(main)
