"""Targets that were typed wrongly, told before Snakemake plans: it would say that no rule makes them, and no more."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.core.errors import InputError
from scripts.lib.core.nearest import did_you_mean
from scripts.lib.engine.start import one_line

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

LISTED = re.compile(r"[\w-]+(\|[\w-]+)*")
# Options that take all words that follow, as workflow.dag_settings has them.
SWALLOWING = {"--forcerun": "forcerun", "--until": "until", "--omit-from": "omit_from"}
MOST_NAMES = 20_000  # file names to look at; a name beyond them is not suggested


def check_targets(workflow: Workflow, values: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    """Let the run refuse targets that no rule makes, with one line for each and what may have been meant.

    values  what wildcards may stand for, for the names that are suggested: {"dataset": ["rsna", ...]}
    names   targets that people ask for by name

    Snakemake tells its targets when it begins to plan, after the Snakefile is read: its method that begins is wrapped.
    Written for Snakemake 9.27.1; one without that method keeps its own words.
    """
    prepare = getattr(workflow, "_prepare_dag", None)
    if prepare is None or not workflow.is_main_process:
        return

    def prepared(*arguments: Any, **options: Any) -> None:
        settings = workflow.dag_settings
        one_line(_refuse_swallowed, settings, names)
        one_line(_refuse_wrong, workflow, settings.targets if settings else (), values, names)
        prepare(*arguments, **options)

    workflow._prepare_dag = prepared


def _refuse_swallowed(settings: Any, names: Sequence[str]) -> None:
    """Refuse a target's name after the words of an option that takes them all, where no target is left for the run."""
    if settings is None or settings.targets:
        return
    for option, attribute in SWALLOWING.items():
        words = set(map(str, getattr(settings, attribute, ())))
        targets, others = sorted(words & set(names)), sorted(words - set(names))
        if targets and others:
            raise InputError(
                f"{option} takes every word up to the next option, also {' '.join(targets)}; write targets first: "
                f"snakemake {' '.join(targets)} {option} {' '.join(others)}"
            )


def _refuse_wrong(
    workflow: Workflow, targets: Iterable[str], values: Mapping[str, Sequence[str]], names: Sequence[str]
) -> None:
    wrong = sorted(str(target) for target in targets if not _known(workflow, str(target)))
    if wrong:
        files = list(islice(_files(workflow, values), MOST_NAMES))
        raise InputError.of(_fault(target, names, files) for target in wrong)


def _fault(target: str, names: Sequence[str], files: Sequence[str]) -> str:
    path = os.path.relpath(target)
    file = path if path.startswith("results/") else f"results/{path}"
    meant = did_you_mean(target, names) or did_you_mean(file, files, 0.7)
    known = f"; targets are {', '.join(names)}, and the files that the Snakefile lists"
    return f"{target}: no such target or result{meant or known}"


def _known(workflow: Workflow, target: str) -> bool:
    if workflow.is_rule(target) or Path(target).exists():
        return True
    path = target if Path(target).is_absolute() else os.path.relpath(target)  # as Snakemake takes it
    return any(output.match(path) for rule in workflow.rules for output in rule.products())


def _files(workflow: Workflow, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the files that rules make, with known values in place of their wildcards; others are left out.

    Known are `values`, and what a rule's own constraint lists: "fidelity|memorisation".
    """
    for rule in workflow.rules:
        own = {name: form.split("|") for name, form in rule.wildcard_constraints.items() if LISTED.fullmatch(form)}
        known = {**own, **values}
        for output in rule.output:
            wildcards = list(dict.fromkeys(output.get_wildcard_names())) if output.contains_wildcard() else []
            if not all(name in known for name in wildcards):
                continue
            for chosen in product(*(known[name] for name in wildcards)):
                yield str(output.apply_wildcards(dict(zip(wildcards, chosen, strict=True))))
