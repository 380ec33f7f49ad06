"""Run a study under another seed in a folder of its own, by a Snakemake that goes on where an earlier one has stopped.

    python -m scripts.replicate_study --config seed-2.json --folder results/seeds/seed-2 --out results/seeds/seed-2.csv \\
        -- --snakefile Snakefile --cores 8

What stands after -- goes to Snakemake. The folder gets results/ like that of the study; its differences are copied to --out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run
from scripts.lib.engine.inner_run import run_snakemake
from scripts.lib.study.config import to_json
from scripts.lib.study.replication import DIFFERENCES


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_config(parser, "the whole study, with its seed and absolute paths")
    parser.add_argument("--folder", type=Path, required=True, help="folder of this seed")
    parser.add_argument("--out", type=Path, required=True, help="differences of this seed (.csv)")
    parser.add_argument("options", nargs="*", help="options of Snakemake, after --")
    args = parser.parse_args(argv)

    args.folder.mkdir(parents=True, exist_ok=True)
    study = (args.folder / "study.json").absolute()
    with atomic_file(study) as path:
        path.write_text(to_json(args.config) + "\n", encoding="utf-8")
    seed = args.config["study"]["seed"]
    print(f"seed {seed}: the study in {args.folder}", file=sys.stderr)
    run_snakemake(
        [DIFFERENCES, "--directory", str(args.folder), *args.options, "--configfile", str(study)], f"seed {seed}"
    )
    with atomic_file(args.out) as path:
        path.write_bytes((args.folder / DIFFERENCES).read_bytes())


if __name__ == "__main__":
    run(main)
