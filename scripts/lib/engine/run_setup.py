"""What a run sets up while the Snakefile is read: the environment of its jobs, its place in the folder, its configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.engine.braced_paths import without_braces
from scripts.lib.engine.job_starts import start_jobs_from_server
from scripts.lib.engine.launch import check_gpu_limit
from scripts.lib.engine.locks import clear_stale_locks
from scripts.lib.engine.nameless_user import name_user
from scripts.lib.engine.other_study import replaced_study
from scripts.lib.engine.screen import tidy_screen
from scripts.lib.engine.start import check_place, check_profile
from scripts.lib.study.config import load_study
from scripts.lib.study.confounder import confounders, shortcuts
from scripts.lib.study.exposure import exposures
from scripts.lib.study.firewall import unknown_teachers
from scripts.lib.study.nih_films import unlinked_films
from scripts.lib.study.parts import part_faults
from scripts.lib.study.sources import check_sources

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

    from scripts.lib.engine.records import Run


def set_environment(workflow: Workflow) -> None:
    """Give the jobs, which run `python -m scripts.x` from any --directory, the interpreter and the modules of this run.

    OpenMP threads that have nothing to do sleep, so that more jobs than cores do not spin against each other; where no job has
    to share its cores they first look for work a moment longer (a training on two threads then takes a seventh less time).
    glibc keeps freed memory for the next tensor instead of giving it back, and asks for huge pages: the kernel would clear
    every small page again (7 % and 5 % of the time of sampling).
    """
    alone = (workflow.resource_settings.cores or 0) in range(1, (os.cpu_count() or 1) + 1)
    os.environ.update(
        PYTHONPATH=str(workflow.basedir),
        SYNTHORAX_ROOT=str(workflow.basedir),  # for the commands of profiles/generic
        PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),  # noqa: PTH120
        OMP_WAIT_POLICY="PASSIVE",
        GOMP_SPINCOUNT="1000" if alone else "0",
        GLIBC_TUNABLES="glibc.malloc.hugetlb=1",
        MALLOC_MMAP_THRESHOLD_=str(2**30),
        MALLOC_TRIM_THRESHOLD_=str(2**32),
    )
    name_user()


def enter_folder(workflow: Workflow) -> Run | None:
    """Check where a run is and clear what dead ones left; return its record. Raises InputError, one line.

    The Snakemake that somebody has started speaks for the folder, not those that it starts for single jobs: None.
    """
    if not workflow.is_main_process:
        return None
    check_profile(sys.argv[1:], Path(workflow.basedir))
    check_place(Path(workflow.basedir))
    if not workflow.dryrun:
        tidy_screen()
    run = clear_stale_locks()
    start_jobs_from_server(workflow)
    return run


def read_config(workflow: Workflow) -> dict[str, Any]:
    """Return the configuration with its placeholders filled; what arms have learned elsewhere, and what else may explain
    a gain, is said on the screen.

    The files are read anew: Snakemake's reader takes YAML 1.1 and more. Raises InputError, one line.
    """
    given = workflow.config_settings
    base = [] if given.replace_workflow_config else [Path(workflow.basedir) / "config.yaml"]
    config = load_study([*base, *given.configfiles], given.config)
    check_sources(config)
    config = without_braces(config, ".snakemake/paths")
    if workflow.is_main_process:
        limit = getattr(workflow.global_resources.get("gpu"), "value", None)
        check_gpu_limit(config["compute"]["gpus"], limit)
        shown = [part for part in ("figure3", "figure4") if not any(part_faults(config, part))]
        teachers = [*unknown_teachers(config), *unlinked_films(config)]
        others = replaced_study(config["study"]["name"], Path("results"))
        for line in [*exposures(config, shown), *confounders(config), *shortcuts(config), *teachers, *others]:
            print(f"Note: {line}", file=sys.stderr)
    return config
