"""A warning for each generator that will see its few films so often that it gives them back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.lib.cohort.looking import Look
from scripts.lib.reporting.check_needs import WARNING, CheckLine
from scripts.lib.study.passes import taught


def few_taught(config: Mapping[str, Any], looks: Sequence[Look]) -> Iterator[CheckLine]:
    """Yield a warning for each generator trained here whose images will be near-copies of its films (study/passes.py).

    looks  at the datasets of the study; a generator some of whose films were not counted yields nothing
    """
    counts = {look.name: Counter(map(str, look.films["split"])) for look in looks if len(look.films)}
    for one in taught(config, counts):
        if one.often:
            name, *others = one.datasets
            other = ", or name a model that others have trained (base.path)" if one.section == "base" else ""
            yield CheckLine(
                WARNING,
                config["study"]["name"] if others else name,
                f"{one.words}: its images will be near-copies of them",
                f"give it more films (datasets.{name}.split){other}, and let make evidence count the copies",
            )
