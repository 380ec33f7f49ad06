"""Write the rates of a machine class for `make plan`, from what a run that it has finished left behind.

Taken by the clock: the machine should do nothing else meanwhile. Benchmark files and logs, and for jobs without them
Snakemake's own records in .snakemake, so run it where the study was made.

python -m benchmarks.rates --machine cpu-2core --from results
python -m benchmarks.rates --machine my-cluster --from results --configfile studies/tiny.yaml
"""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

from benchmarks.measuring import rates_of_run, write_rates
from benchmarks.rating import processor
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.planning.jobs import EVERYTHING, ROOT, list_jobs
from scripts.lib.planning.rates import FOLDER
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.study.config import load_study


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--machine", required=True, help="name of the class; its file is benchmarks/rates/NAME.yaml")
    parser.add_argument("--from", dest="results", type=Path, default=Path("results"), help="results of a finished run")
    parser.add_argument("--configfile", type=Path, nargs="+", default=[], help="overlays that the run had")
    parser.add_argument("--stages", nargs="+", help="stages (rules) whose rates are written; left out = all of the run")
    parser.add_argument("--note", help="added to where the rates come from, e.g. 'beside other work'")
    parser.add_argument("--gpu", help="name of the GPU that the run used; left out = the CPU")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the file is written (default benchmarks/rates)"
    )
    options = parser.parse_args(argv)
    set_threads(options.threads)
    overlays = [path.resolve() for path in options.configfile]
    config = load_study([ROOT / "config.yaml", *overlays])
    sizes = read_sizes(config, options.results)
    jobs = list_jobs(overlays, list(EVERYTHING), os.cpu_count() or 1)
    source = f"a run of the study {config['study']['name']}, {datetime.date.today().isoformat()}"
    source += f", {options.note}" if options.note else ""
    rates = rates_of_run(jobs, config, sizes, options.results.absolute().parent, bool(options.gpu), source)
    if not rates:
        raise InputError(f"{options.results}/benchmarks: no benchmark file of this study; run it first")
    unknown = sorted(set(options.stages or ()) - rates.keys())
    if unknown:
        raise InputError(
            f"--stages {' '.join(unknown)}: this run did not measure them; it has {', '.join(sorted(rates))}"
        )
    rates = {stage: rate for stage, rate in rates.items() if not options.stages or stage in options.stages}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    machine = {"name": options.machine, "processor": processor(), "cores": os.cpu_count(), "memory_gb": round(memory)}
    machine |= {"gpu": options.gpu, "date": datetime.date.today().isoformat(), "python": platform.python_version()}
    write_rates(options.folder / f"{options.machine}.yaml", machine, rates)
    for rule, rate in sorted(rates.items()):
        shown = ", ".join(f"{entry['per_second']:g} {entry['unit']}s/s" for entry in rate["units"])
        print(f"{rule}: {rate['job_seconds']:g} s a job, {shown}")


if __name__ == "__main__":
    run(main)
