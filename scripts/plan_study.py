"""What a study will cost before anything runs: jobs, images, steps, hours, disk and memory by stage and arm.

    python -m scripts.plan_study
    python -m scripts.plan_study --configfile studies/paper.yaml --machine h200 --gpus 8 --cores 64 results/figure2.pdf

Hours are measured rates of the machine class (benchmarks/rates/{class}.yaml) where it was measured at the study's own
shapes; else scaled from another shape by the operations; else, on a GPU, a floor: operations over the published peak; else
n/a.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.lib.cli import make_parser, run, set_threads
from scripts.lib.config import load_study
from scripts.lib.planning.estimate import make_plan, wall_hours
from scripts.lib.planning.jobs import ROOT, list_jobs
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.table import is_least, number, size_lines, table, write_csv, write_json


def main(argv: list[str] | None = None) -> None:
    """Print the plan; write it where `--csv` and `--json` say."""
    parser = make_parser(__doc__)
    parser.add_argument("targets", nargs="*", help="files or targets to plan for (default: the workflow's default)")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="overlays of config.yaml")
    parser.add_argument("--machine", default="cpu-2core", help="machine class (default cpu-2core)")
    parser.add_argument("--cores", type=int, help="processor cores at work at once (default: the class's)")
    parser.add_argument("--gpus", type=int, help="GPUs at work at once (default 1 where the class has one)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="prepared cohorts are read from here")
    parser.add_argument("--csv", type=Path, help="write the lines to this file")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    options = parser.parse_args(argv)
    set_threads(options.threads)
    overlays = [path.resolve() for path in options.configfile]
    config = load_study([ROOT / "config.yaml", *overlays])
    rates = read_rates(options.machine)
    machine = rates["machine"]
    cores = options.cores or machine["cores"]
    gpus = options.gpus if options.gpus is not None else int(bool(machine.get("gpu")))
    sizes = read_sizes(config, options.results)
    plan = make_plan(list_jobs(config, overlays, options.targets, cores), config, sizes, rates)
    wall, free = wall_hours(plan, cores, gpus), free_bytes(options.results)
    disk = sum(line.disk_gb for line in plan.lines)
    if disk * 1e9 > free:
        plan.warnings.append(
            f"disk: {disk:,.0f} GB needed, {free / 1e9:,.0f} GB free in {options.results}; use another disk"
        )
    if config["base"]["path"] and not (Path(config["base"]["path"]) / "unet").is_dir():
        plan.warnings.append(
            f"base.path = {config['base']['path']} is not here: the shape of Stable Diffusion 1.x is assumed"
        )
    print(f"{config['study']['name']} on {machine['name']} ({machine.get('gpu') or machine.get('processor')})")
    print("\n".join(size_lines(sizes)), end="\n\n")
    print(table(plan), end="\n\n")
    devices = f" and {gpus} GPUs" if gpus else ""
    print(f"wall time with {cores} cores{devices}: {'at least ' if is_least(plan) else ''}{number(wall)} hours")
    for warning in plan.warnings:
        print(f"warning: {warning}")
    if options.csv:
        write_csv(options.csv, plan)
    if options.json:
        write_json(options.json, plan, {"machine": machine, "wall_hours": wall, "cores": cores, "gpus": gpus})


def free_bytes(path: Path) -> int:
    """Return the free space of the disk on which a folder lies or would lie."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


if __name__ == "__main__":
    run(main)
