"""What a Snakemake hands on to another that it starts: where its jobs run and how many at a time, not what is made.

A run that replicates a study starts a Snakemake for each seed. Targets, studies, keys and forced rules belong to the first one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

CORES = ("--cores", "-c", "--core")
PROFILES = ("--workflow-profile", "--profile")
ONE = (
    *(*PROFILES, "--executor", "-e", "--jobs", "-j", "--local-cores", "--retries", "--restart-times", "-T"),
    *("--latency-wait", "--output-wait", "-w", "--max-threads", "--conda-prefix", "--max-jobs-per-timespan"),
)
SEVERAL = (
    *("--resources", "--res", "--set-threads", "--set-resources", "--set-resource-scopes", "--default-resources"),
    *("--default-res", "--groups", "--group-components", "--rerun-triggers", "--software-deployment-method", "--sdm"),
)
NONE = ("--keep-going", "-k", "--nocolor", "--use-conda", "--printshellcmds", "-p")
PLUGINS = ("--slurm-", "--cluster-generic-")


def passed_on(words: Sequence[str], cores: int | None) -> list[str]:
    """Return the options of a command line that another Snakemake of the same machine or cluster needs.

    words  the command line without its first word
    cores  of the run; `--cores all` becomes this number, and a run without any cores (on a cluster) names none
    """
    typed = list(words[: words.index("--")] if "--" in words else words)
    options = [] if cores is None else ["--cores", str(cores)]
    for number, word in enumerate(typed):
        option, given, value = word.partition("=")
        if option in CORES or not option.startswith("-"):
            continue
        rest = [value] if given else list(_words(typed[number + 1 :]))
        if option in NONE:
            options.append(option)
        elif option in SEVERAL:
            options += [option, *rest]
        elif option in PROFILES:
            options += [option, *map(_from_here, rest[:1])]
        elif option in ONE or option.startswith(PLUGINS):
            options += [option, *rest[:1]]
    return options


def _words(rest: Sequence[str]) -> Iterator[str]:
    for word in rest:
        if word.startswith("-") and not word[1:].isdigit():
            return
        yield word


def _from_here(profile: str) -> str:
    """Return a profile's folder so that it is found from any folder; Snakemake itself finds those of the repository."""
    here = Path(os.environ.get("PWD", "."), profile)
    return str(here) if here.is_dir() else profile
