"""The demonstration is a whole study: both kinds of task, a control, every check of the evidence; and it stays small."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.lib.study.arms import arm_of
from scripts.lib.study.config import load_study
from tests.conftest import ROOT
from tests.helpers.forked_snakemake import snakemake

DEMO = ROOT / "studies" / "demo.yaml"


def test_it_compares_real_films_with_synthetic_and_with_the_same_again_on_both_kinds_of_task() -> None:
    config = load_study([ROOT / "config.yaml", DEMO])
    study = config["study"]
    assert {config["datasets"][name]["task"] for name in study["datasets"]} == {"segmentation", "classification"}
    assert [arm_of(config, arm).source.is_control for arm in study["arms"]] == [False, True]
    assert study["trials"] >= 2  # an interval counts trials
    assert config["memorisation"]["action"] == "refuse" and config["leakage"]["allow"] == []


def test_its_plan_holds_every_check_and_few_jobs(tmp_path: Path) -> None:
    """As `make demo` starts it. A job takes a second or more only to begin, whatever it does."""
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^DEMO_TARGETS := (.*)$", makefile, re.M)
    assert targets is not None
    command = [*targets[1].split(), "--dry-run", "--cores", "2", "--snakefile", str(ROOT / "Snakefile")]
    done = snakemake([*command, "--directory", str(tmp_path), "--configfile", str(DEMO)], ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", done.stdout, re.M)}
    wanted = {
        "refuse_copies",
        "check_leakage",
        "measure_fidelity",
        "bootstrap_differences",
        "compare_arms",
        "plot_figure2",
    }
    assert wanted <= counts.keys() and counts["total"] <= 120, counts
