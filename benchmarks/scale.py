"""How the workflow grows: the dry run with the jobs, scoring with the trials, a pool's identities, memory with a pool.

python -m benchmarks.scale dag --sizes 1000 3000 10000 --shards 1
python -m benchmarks.scale dag --sizes 1000 3000 10000 --plain
python -m benchmarks.scale score --sizes 100 1000 10000
python -m benchmarks.scale identities --sizes 10000 100000 1000000
python -m benchmarks.scale memory --sizes 1000 10000 100000
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.scale_plain import write_plain
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.study.config import CONFIG_FILE, read_study

ROOT = Path(__file__).resolve().parents[1]
TRIALS = 60
PREPARED = 17  # jobs of one more dataset beside its trials and shards


def study_of(jobs: int, shards: int) -> dict[str, Any]:
    """Return an overlay whose study has about so many jobs: many datasets, two arms, three fractions, 60 trials."""
    base = read_study([CONFIG_FILE])
    fractions = [f"{value:g}" for value in base["study"]["fractions"]]
    each = (2 * TRIALS + shards) * len(fractions) + PREPARED
    names = [f"d{number}" for number in range(max(1, round(jobs / each)))]
    trials = min(TRIALS, max(1, jobs // (2 * len(fractions))))
    return {
        "study": {"datasets": names, "trials": trials},
        "datasets": {name: copy.deepcopy(base["datasets"]["rsna"]) for name in names},
        "sampling": {"shards": dict.fromkeys(fractions, shards)},
    }


def dry_run(jobs: int, shards: int, plain: bool) -> dict[str, Any]:
    """Return jobs, processor seconds and peak MB of a dry run of the project's own Snakefile on such a study.

    `plain`: of a workflow with as many jobs and files instead, and nothing else: what Snakemake itself takes.
    """
    study = study_of(jobs, shards)
    with tempfile.TemporaryDirectory() as name:
        if plain:
            options = ["--snakefile", str(write_plain(Path(name), study)), "--workflow-profile", "none"]
            options += ["--scheduler", "greedy"]
        else:
            overlay = Path(name) / "study.yaml"
            overlay.write_text(yaml.safe_dump(study))
            options = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(overlay)]
        command = [sys.executable, "-m", "snakemake", *options, "--directory", name]
        used = watched([*command, "--dry-run", "--quiet", "rules", "--cores", "2"], name)
    used["jobs"] = int(re.findall(r"^total\s+(\d+)", used.pop("output"), re.MULTILINE)[0])
    return {"jobs": used["jobs"], **used, "ms_per_job": 1000 * used["cpu_seconds"] / used["jobs"]}


def watched(command: list[str], folder: str | Path) -> dict[str, Any]:
    """Run a command to its end; return its processor seconds, its largest memory in MB and what it wrote.

    Processor seconds (user and system), because other work on the machine hardly touches them.
    """
    output = Path(folder) / "output.txt"
    with output.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{output.read_text()[-3000:]}")
    return {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "output": output.read_text(),
    }


def score_trials(count: int) -> dict[str, Any]:
    """Return processor seconds and peak MB of scoring so many trials of one multiplier and 100 test films."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from scripts.lib.core.seeds import trial_seed
    from scripts.lib.downstream.predictions import LABELS, ROW, Predictions, write_predictions

    films = 100
    ids = [f"f{number}" for number in range(films)]
    texts = {
        "dataset": ["d"] * films,
        "split": ["test"] * films,
        "image_id": ids,
        "patient_id": ids,
        "label": ["l"] * films,
    }
    numbers = {
        "multiplier": [2] * films,
        "truth": np.arange(films) % 2,
        "score": np.random.default_rng(0).random(films),
    }
    table = pa.table({name: pa.array((texts | numbers)[name]).cast(kind) for name, kind in ROW + LABELS})
    config = json.dumps({"task": "classification", "target": "l"})
    with tempfile.TemporaryDirectory() as name:
        pattern = f"{name}/d/trials/original/fraction-1/trial-{{}}.parquet"
        for trial in range(count):
            cells = {2: {"n_real": 1, "n_synthetic": 2, "note": ""}}
            made = Predictions("d", "classification", "original", "1", trial, trial_seed(1, "d", trial), cells, table)
            write_predictions(Path(pattern.replace("{}", str(trial))), made)
        pd.DataFrame({"image_id": ids, "split": "test"}).to_parquet(f"{name}/index.parquet")
        command = [sys.executable, "-m", "scripts.score_trials", "--predictions", pattern, "--trials", str(count)]
        command += ["--dataset", "d", "--cohort", name, "--config", config, "--seed", "1", "--out", f"{name}/all.csv"]
        used = watched(command, name)
    return {"trials": count, "cpu_seconds": used["cpu_seconds"], "peak_mb": used["peak_mb"]}


def inside(step: str, size: int, folder: Path | None) -> dict[str, Any]:
    """Measure one step in this process, its imports done before."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    from benchmarks import scale_steps

    if step in ("text", "mask"):
        scale_steps.identities(100, step == "mask")
        with scale_steps.Watch() as watch:
            made = len(scale_steps.identities(size, step == "mask"))
        return {"rows": step, "images": made, "seconds": watch.seconds, "own_mb": watch.rise}
    import scripts.draw_sheet
    import scripts.lib.downstream.data
    import scripts.lib.filters.proxy.kept_table
    import scripts.lib.filters.proxy.scoring  # noqa: F401

    with scale_steps.Watch() as watch:
        assert folder is not None  # these steps read a pool
        scale_steps.STEPS[step](folder)
    return {"step": step, "images": size, "seconds": watch.seconds, "own_mb": watch.rise}


def in_a_process(step: str, size: int, folder: Path | None = None) -> dict[str, Any]:
    """Measure one step in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "inside", "--step", step, "--sizes", str(size)]
    command += ["--folder", str(folder)] if folder else []
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def memory(size: int) -> list[dict[str, Any]]:
    """Return the memory of every step that touches a pool of this size."""
    from benchmarks import scale_steps

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scale_steps.write_cohort(folder / "cohort")
        scale_steps.conditions(size).to_parquet(folder / "conditions.parquet", index=False)
        scale_steps.write_pool(folder, size)
        return [in_a_process(step, size, folder) for step in scale_steps.STEPS]


def show(used: dict[str, Any]) -> None:
    print(", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in used.items()), flush=True)  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=("dag", "score", "identities", "memory", "inside"))
    parser.add_argument("--sizes", type=int, nargs="+", required=True, help="jobs, tables or images")
    parser.add_argument("--shards", type=int, default=1, help="dag: shards of each pool (default 1)")
    parser.add_argument("--plain", action="store_true", help="dag: Snakemake alone, on as many jobs and files")
    parser.add_argument("--step", help="inside: the step that this process measures")
    parser.add_argument("--folder", type=Path, help="inside: where the pool lies")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    if args.what == "inside":
        print(json.dumps(inside(args.step, args.sizes[0], args.folder)))
        return
    for size in args.sizes:
        if args.what == "dag":
            show(dry_run(size, args.shards, args.plain))
        elif args.what == "score":
            show(score_trials(size))
        elif args.what == "identities":
            for kind in ("text", "mask"):
                show(in_a_process(kind, size))
        else:
            for used in memory(size):
                show(used)


if __name__ == "__main__":
    run(main)
