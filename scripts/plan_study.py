"""What a study will cost before anything runs: jobs, images, steps, hours, disk and memory by stage and arm.

    python -m scripts.plan_study
    python -m scripts.plan_study --configfile studies/paper.yaml --machine h200 --gpus 8 --cores 64 results/figure2.pdf
    python -m scripts.plan_study --configfile studies/paper.yaml --machine h200 --efficiency 0.35

Hours are measured rates of the machine class (benchmarks/rates/{class}.yaml) where it was measured at the study's own
shapes; else scaled from another shape by the operations; else, on a GPU, a floor: operations over the published peak; else
n/a. `--efficiency` says beside that floor what it would be at one or two shares of that peak.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.engine.command_line import parse_values
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.planning.estimate import assumed_shares, found_missing, machine_size, make_plan
from scripts.lib.planning.jobs import ROOT, list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.table import known_lines, peak_lines, size_lines, table, wall_line
from scripts.lib.study.config import load_study


def main(argv: list[str] | None = None) -> None:
    """Print the plan."""
    options = _parser().parse_args(argv)
    set_threads(options.threads)
    overlays = [path.resolve() for path in options.configfile]
    given = parse_values(options.config)
    config = load_study([ROOT / "config.yaml", *overlays], given)
    rates = read_rates(options.machine)
    machine = rates["machine"]
    cores, gpus = machine_size(options.cores, options.gpus, machine, config)
    shares, source = assumed_shares(options.efficiency, machine)
    sizes = read_sizes(config, options.results)
    plan = make_plan(list_jobs(overlays, options.targets, cores, given), config, sizes, rates)
    plan.warnings += found_missing(plan, config, options.results)
    print(f"{config['study']['name']} on {machine['name']} ({machine.get('gpu') or machine.get('processor')})")
    print("\n".join(size_lines(sizes)), end="\n\n")
    print(table(plan, shares), end="\n\n")
    print("\n".join([*known_lines(plan, machine), *peak_lines(plan, machine, shares, source)]))
    print(wall_line(plan, cores, gpus, shares))
    for warning in plan.warnings:
        print(f"warning: {warning}")


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("targets", nargs="*", help="files or targets to plan for (default: the workflow's default)")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="overlays of config.yaml")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="keys laid on top of the overlays")
    parser.add_argument("--machine", default="cpu-2core", help="machine class (default cpu-2core)")
    parser.add_argument("--cores", type=int, help="processor cores at work at once (default: the class's)")
    parser.add_argument("--gpus", type=int, help="GPUs at work at once (default 1 where the class has one)")
    parser.add_argument(
        "--efficiency", type=float, nargs="+", metavar="SHARE", help="shares of the peak (default: the class's)"
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="prepared cohorts are read from here")
    return parser


if __name__ == "__main__":
    run(main)
