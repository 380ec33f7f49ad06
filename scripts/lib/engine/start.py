"""What a run makes sure of before its first job: its profile and its tools are there, and nobody else does its jobs."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scripts.lib.core.errors import InputError, listed
from scripts.lib.core.full_disk import full_disk_line
from scripts.lib.core.nearest import did_you_mean
from scripts.lib.engine.jobs import GENERIC, SLURM, mark_children, refuse_running_jobs
from scripts.lib.engine.locks import keep_locks

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

    from scripts.lib.engine.records import Run

T = TypeVar("T")
PROFILE_OPTION = "--workflow-profile"
SLURM_TOOLS = ("sbatch", "squeue", "scancel")
GENERIC_COMMANDS = ("submit_cmd", "status_cmd", "cancel_cmd")
BUILTINS = ("cd", "exec", "export")


def one_line(function: Callable[..., T], *arguments: Any) -> T:
    """Return what `function` returns; an InputError, or a folder without room or right to write, ends Snakemake with one line.

    An error of several problems ends it with a bullet for each.

    A WorkflowError would add the places in the Snakefile that it passed, which say nothing to the user.
    """
    try:
        return function(*arguments)
    except InputError as error:
        line = listed(error)
    except OSError as error:
        line = full_disk_line(error) or f"{error.filename}: {error.strerror}; Snakemake keeps its notes there"
    print(f"Error: {line}", file=sys.stderr)  # Snakemake's logger would stumble over a full disk
    raise SystemExit(1)


def begin_jobs(run: Run, workflow: Workflow) -> None:
    """Check that jobs may start and record that they do. Raises InputError, one line, when they may not."""
    facts: dict[str, str | None] = {"executor": executor_of(workflow)}
    if facts["executor"] == SLURM:
        _need_slurm()
    if facts["executor"] == GENERIC:
        facts |= _generic_commands(workflow.executor_settings)
    mark_children(run)
    refuse_running_jobs(run, facts)
    keep_locks(run, getattr(workflow.persistence, "_lockfile", {}))
    run.start(facts)


def check_profile(arguments: Sequence[str], root: Path) -> None:
    """Refuse a workflow profile that Snakemake has not found, which it passes over in silence; raises InputError.

    arguments  of Snakemake's command line
    root       the folder of the Snakefile

    Snakemake looks where it was started, in `profiles` there, and in `profiles` beside the Snakefile: profiles/slurm, typed
    elsewhere, is none of them. It may have gone to a --directory since.
    """
    given = given_value(arguments, PROFILE_OPTION)
    if given in (None, "none"):
        return
    starts = _started_in(arguments, root)
    if any((start / folder / given).exists() for start in starts for folder in ("", "profiles")):
        return
    if (root / "profiles" / given).exists():
        return
    own = "profiles" if root in starts else str(root / "profiles")  # as it has to be typed
    known = sorted(f"{own}/{path.parent.name}" for path in root.glob("profiles/*/profile.yaml"))
    near = did_you_mean(f"{own}/{Path(given).name}", known, 0.75)
    raise InputError(f"{PROFILE_OPTION} {given}: there is no such folder{near}; the workflow has {', '.join(known)}")


def given_value(arguments: Sequence[str], option: str, short: str | None = None) -> str | None:
    """Return the value of an option of Snakemake's command line as argparse takes it, shortened too; the last one counts.

    >>> given_value(["all", "--workflow-p", "a", "-db", "--workflow-profile=c"], "--workflow-profile")
    'c'
    >>> given_value(["all", "-db"], "--directory", "-d"), given_value(["-n"], "--directory", "-d")
    ('b', None)
    """
    found = None
    for argument, following in zip(arguments, [*arguments[1:], None]):
        name, equals, value = argument.partition("=")
        if argument == short or (len(name) > 4 and option.startswith(name)):
            found = value if equals else following
        elif short and argument.startswith(short) and not argument.startswith("--"):
            found = argument.removeprefix(short)
    return found


def _started_in(arguments: Sequence[str], root: Path) -> list[Path]:
    """Return where Snakemake may have been started, which nothing says for certain once it has gone to a --directory."""
    if given_value(arguments, "--directory", "-d") is None:
        return [Path.cwd()]
    starts = [Path(os.environ.get("PWD", root))]
    snakefile = Path(given_value(arguments, "--snakefile", "-s") or "Snakefile")
    if not snakefile.is_absolute() and ".." not in snakefile.parts:
        starts.append(root.joinpath(*[".."] * (len(snakefile.parts) - 1)).resolve())
    return starts


def check_place(root: Path) -> None:
    """Refuse a folder of the workflow whose path holds braces, which Snakemake takes for wildcards; raises InputError."""
    if set("{}") & set(str(root)):
        raise InputError(
            f"{root}: Snakemake cannot work with braces in the path of the workflow; move or rename the folder"
        )


def executor_of(workflow: Workflow) -> str:
    """Return which executor runs the jobs: local, slurm, cluster-generic ..."""
    return workflow.executor_plugin.name.replace("_", "-")


def _need_slurm() -> None:
    if missing := [tool for tool in SLURM_TOOLS if not shutil.which(tool)]:
        raise InputError(
            f"{', '.join(missing)}: not found on PATH, but the profile sends jobs to SLURM; start on a login node of the "
            "cluster, or run here without --workflow-profile"
        )


def _generic_commands(settings: Any) -> dict[str, str | None]:
    """Check the profile's commands, and put the repository's path into that one which Snakemake calls without a shell.

    Returns {status, cancel: command}.
    """
    settings.cancel_cmd = os.path.expandvars(settings.cancel_cmd) if settings.cancel_cmd else None
    for name in GENERIC_COMMANDS:
        command = os.path.expandvars(getattr(settings, name) or "")
        # Snakemake gives the cancel command to no shell: all of it is the program.
        program = command if name == "cancel_cmd" else next(iter(shlex.split(command)), "")
        if program and program not in BUILTINS and "=" not in program and not shutil.which(program):
            key = f"cluster-generic-{name.replace('_', '-')}"
            raise InputError(
                f"{key}: {program} is not an executable file; correct the key in the profile, or `chmod +x` the file"
            )
    status = os.path.expandvars(settings.status_cmd) if settings.status_cmd else None
    return {"status": status, "cancel": settings.cancel_cmd}
