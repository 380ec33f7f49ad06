"""Write what each job of a run is expected to take, by the planner's rates: a command that a run starts for itself.

    python -m scripts.lib.planning.seconds RUN.json SECONDS.json

RUN.json holds {"config", "results", "machine", "jobs": {number: {rule, wildcards, threads, gpus, outputs}}}; SECONDS.json
gets {number: seconds, or null where no rate says anything}. A process of its own, for what it imports is not small.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.lean_imports import lean_imports
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.pricing import price_of
from scripts.lib.planning.rates import read_rates
from scripts.lib.planning.sizes import read_sizes
from scripts.lib.planning.stages import work_of


def main(run: Path, out: Path) -> None:
    """Price the jobs of a run."""
    asked = json.loads(run.read_text())
    config, rates = asked["config"], read_rates(asked["machine"])
    sizes = read_sizes(config, Path(asked["results"]))
    jobs = [Job(**one, needs=(), benchmark=None) for one in asked["jobs"].values()]
    with lean_imports():
        seconds = [price_of(job, work_of(job, config, sizes), config, rates).seconds for job in jobs]
    with atomic_file(out) as temporary:
        temporary.write_text(json.dumps(dict(zip(asked["jobs"], seconds))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
