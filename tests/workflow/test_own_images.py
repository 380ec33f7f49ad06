"""docs/own-images.md as it stands: its overlay and command, on images that lie in a folder, give an answer without any generator."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, Workflow, copy_repository
from tests.helpers.own_images import labelled, write_images

pytestmark = pytest.mark.workflow
PAGE = (ROOT / "docs" / "own-images.md").read_text()
COUNT = 40


@pytest.fixture
def workflow(tmp_path: Path, forked_jobs: str) -> Workflow:
    """A copy of the repository whose jobs are forks of one process."""
    return replace(copy_repository(tmp_path / "copy"), interpreter=forked_jobs)


def prepared(workflow: Workflow, folder: Path) -> list[str]:
    """Write the page's overlay and what names a folder of images; return the words of the page's command, on the tiny study."""
    overlay = re.search(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    commands = [line.split() for line in PAGE.splitlines() if line.startswith("snakemake --cores")]
    assert overlay is not None and len(commands) == 1
    (workflow.root / "studies" / "own-images.yaml").write_text(overlay[1])
    (workflow.root / "there.yaml").write_text(
        f"arms: {{mine: {{path: '{folder}'}}}}\ndatasets: {{rsna: {{phantom: {{patients: 120}}}}}}\n"
        "training: {precision: auto}\ntrials: {images: {rsna: []}}\nstudy:\n  trials: 1\n"
    )
    words = commands[0][3:]
    place = words.index("--configfile") + 1
    words[place:] = ["studies/tiny.yaml", *words[place:], "there.yaml"]
    return words


def test_a_plan_of_your_own_images_makes_none(workflow: Workflow, tmp_path: Path) -> None:
    folder = tmp_path / "my images"
    write_images(folder, [{**row, "number": place} for place, row in enumerate(labelled(2))], 48, "images.csv")
    done = workflow.run("--dry-run", *prepared(workflow, folder), study=None)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-8000:]
    assert "its images were made elsewhere" in text and not re.search(r"rule (train_base|sample_pool)", text)
    jobs = {
        line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines() if re.fullmatch(r"\w+ +\d+", line)
    }
    # real, and mine and duplicate, each with both multipliers in one job
    assert jobs["train_trials"] == 3 and jobs["import_pool"] == 1
    assert not {"train_base", "train_controlnet", "sample_pool"} & set(jobs)


@pytest.mark.long
def test_your_own_images_in_ten_minutes(workflow: Workflow, tmp_path: Path) -> None:
    folder = tmp_path / "my images"
    # Twice the same picture: the second one is not taken.
    write_images(
        folder, [{**row, "number": place % (COUNT - 1)} for place, row in enumerate(labelled(COUNT))], 48, "images.csv"
    )
    words = prepared(workflow, folder)
    done = workflow.run(*words, study=None)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-8000:]
    assert "its images were made elsewhere" in text and not re.search(r"rule (train_base|sample_pool)", text)
    results = workflow.root / "results"
    assert (results / "processor.json").is_file()  # measured, as the tiny study does not
    summary = pd.read_csv(results / "rsna" / "summary.csv").query("metric == 'f1'")
    cells = summary[["arm", "multiplier"]].apply(tuple, axis=1).tolist()
    assert sorted(cells) == [("duplicate", 1), ("duplicate", 2), ("mine", 1), ("mine", 2), ("real", 0)]
    imported = results / "rsna" / "pools" / "mine" / "imported"
    taken = pd.read_parquet(imported / "index.parquet")
    assert len(taken) == COUNT - 1 and "the same pixels as i0" in (imported / "quarantine.tsv").read_text()
    again = workflow.run(*words, study=None)
    assert "Nothing to be done" in again.stdout + again.stderr
    # Too few images for a multiplier: one line that names the largest that works.
    (workflow.root / "there.yaml").write_text(
        (workflow.root / "there.yaml").read_text() + "  multipliers: {'0.1': [0, 1, 50]}\n"
    )
    trial = "results/rsna/trials/mine/fraction-0.1/trial-0.parquet"
    workflow.run(*[trial if word.startswith("results/") else word for word in words], study=None)
    log = results / "logs" / "train_trials" / "rsna_mine_0.1_0.log"
    assert re.search(
        r"50x of \d+ films need more than the 39 images there are; the largest multiplier that", log.read_text()
    )
