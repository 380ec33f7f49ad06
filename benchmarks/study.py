"""Time the embedded study as a whole: `snakemake --cores N results/figure2.pdf` in an empty folder, then again.

Prints wall seconds, CPU seconds, the peak memory of the largest process, and the time of a second run that has nothing
to do. With two numbers of cores it also prints the ratio of their wall times.

    python -m benchmarks.study --cores 2            # the study once
    python -m benchmarks.study --cores 2 8          # how much more jobs than processors cost
    python -m benchmarks.study --configfile studies/tiny.yaml --cores 2 --target results/figure2.pdf
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run_workflow(folder: Path, cores: int, target: str, configfile: str | None) -> dict[str, float]:
    """Run Snakemake in `folder`; return wall and CPU seconds and the largest process's peak memory in MB."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", str(cores), "--workflow-profile", str(ROOT / "profiles" / "default"), target]
    command += ["--configfile", configfile] if configfile else []
    with (folder / "snakemake.log").open("ab") as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{folder}/snakemake.log: the run failed with status {status}")
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, nargs="+", default=[2])
    parser.add_argument("--target", default="results/figure2.pdf")
    parser.add_argument("--configfile")
    options = parser.parse_args(argv)
    walls = []
    for cores in options.cores:
        with tempfile.TemporaryDirectory() as folder:
            first = run_workflow(Path(folder), cores, options.target, options.configfile)
            second = run_workflow(Path(folder), cores, options.target, options.configfile)
        walls.append(first["wall"])
        print(
            f"--cores {cores}: {first['wall']:.0f} s wall, {first['cpu']:.0f} s CPU, largest process {first['peak_mb']:.0f} MB;"
            f" second run {second['wall']:.1f} s",
            flush=True,
        )
    if len(walls) > 1:
        print(f"wall of --cores {options.cores[1]} over --cores {options.cores[0]}: {walls[1] / walls[0]:.2f}")


if __name__ == "__main__":
    main()
