"""Jobs that profiles/slurm lets go together: whatever jobs of a group are put into one, none waits for itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import yaml

from scripts.lib.planning.jobs import Job, list_jobs
from tests.conftest import ROOT

PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())
GROUPS: dict[str, str] = PROFILE["groups"]


def returning(jobs: Sequence[Job], rules: set[str]) -> list[str]:
    """Return the rules of a group whose jobs wait for a job outside of it that waits for one inside."""
    inside = {number for number, job in enumerate(jobs) if job.rule in rules}
    waits: dict[int, bool] = {}  # of jobs outside: whether a way from them leads into the group

    def leads_in(number: int) -> bool:
        if number not in waits:
            waits[number] = False
            waits[number] = any(need in inside or leads_in(need) for need in jobs[number].needs)
        return waits[number]

    return sorted(
        {jobs[one].rule for one in inside if any(need not in inside and leads_in(need) for need in jobs[one].needs)}
    )


def test_a_group_that_waits_for_itself_is_found() -> None:
    jobs = [
        Job(rule, {}, needs, 1, 0, None)
        for rule, needs in (("draw", ()), ("train", (0,)), ("score", (1,)), ("sum", (2,)))
    ]
    assert returning(jobs, {"draw", "score"}) == ["score"] and returning(jobs, {"draw", "sum"}) == ["sum"]
    assert returning(jobs, {"score", "sum"}) == [] and returning(jobs, {"draw", "train"}) == []


def test_every_grouped_rule_takes_turns_and_every_group_has_a_size() -> None:
    assert set(GROUPS) == set(PROFILE["set-resources"]) and set(GROUPS.values()) == set(PROFILE["group-components"])


@pytest.mark.parametrize(
    ("study", "targets"),
    [
        ("tiny", ["all", "figures", "figure3", "evidence"]),  # tested on other cohorts, and on images
        ("aurad-phantom", ["figure5"]),
        ("paediatric-phantom", ["paediatric"]),
    ],
)
def test_no_group_waits_for_itself(study: str, targets: list[str]) -> None:
    """Snakemake puts jobs of a group together in no order, so every choice of them has to do."""
    jobs = list_jobs([ROOT / "studies" / f"{study}.yaml"], targets, 2)
    assert any(job.rule in GROUPS for job in jobs)
    for group in set(GROUPS.values()):
        assert returning(jobs, {rule for rule, name in GROUPS.items() if name == group}) == [], group
