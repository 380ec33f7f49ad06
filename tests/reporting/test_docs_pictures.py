"""README and docs show what a run gave: one command renews them, and a change by hand is found."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.conditions.mask_picture import PALETTE
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import FIGURE2
from scripts.lib.plotting.pairs import GAP, LEFT, LINE, TILE, pick_pairs
from scripts.lib.reporting import docs_pictures
from scripts.lib.reporting.docs_captions import ORDERED, SENTENCES, caption, facts_of
from scripts.lib.reporting.docs_first_screen import (
    ABOUT,
    PAIRS,
    POOL,
    STRUCTURE,
    answer_facts,
    answer_text,
    first_screen,
)
from scripts.lib.reporting.docs_notebook import CELLS, _run
from scripts.lib.reporting.docs_notebook import NAME as NOTEBOOK
from scripts.lib.reporting.docs_pictures import PICTURES, RECORD, differences, outdated, renew, with_captions
from tests.conftest import ROOT


def row(kind: str, fraction: str, arm: str, multiplier: int, trial: int | None, **more: object) -> dict[str, object]:
    fixed = {"dataset": "siim", "title": "SIIM-ACR", "task": "segmentation", "metric": "dice", "n_synthetic": 0}
    return dict.fromkeys(FIGURE2, "n/a") | fixed | {
        "kind": kind, "fraction": fraction, "arm": arm, "multiplier": multiplier, "trial": "n/a" if trial is None else trial, **more,
    }  # fmt: skip


def write_results(folder: Path) -> Path:
    """Two fractions of one dataset: at 1 % both multipliers rise, one significantly; at 100 % the only one falls."""
    rows = [row("trial", "0.01", "real", 0, trial, n_real=3, value=0.4) for trial in (0, 1)]
    cells = [
        ("0.01", 0, 3, 0.40, "n/a"),
        ("0.01", 2, 3, 0.45, 0.05),
        ("0.01", 5, 3, 0.50, 0.1),
        ("1", 0, 300, 0.9, "n/a"),
    ]
    for fraction, multiplier, real, value, difference in [*cells, ("1", 2, 300, 0.88, -0.02)]:
        arm = "original" if multiplier else "real"
        more = {"n_real": real, "value": value, "difference": difference, "significant": multiplier == 5}
        rows.append(row("mean", fraction, arm, multiplier, None, **more))
    table = pd.DataFrame(rows)[FIGURE2]
    (folder / "tables").mkdir(parents=True)
    table.to_csv(folder / "tables" / "figure2.csv", index=False)
    for name in ("figure3", "figure4"):
        table[table["fraction"] == "0.01"].to_csv(folder / "tables" / f"{name}.csv", index=False)
    (folder / ORDERED).parent.mkdir(parents=True)
    (folder / ORDERED).write_text(
        "part,role,step,sets,pairs,accuracy,ci_low,ci_high,margin,note\n"
        "heldout,chose,75,78,365,0.5767,0.5138,0.6397,0.09,\nreport,reported,75,9,40,0.5,,,0.08,one set only\n"
    )
    for source, width in PICTURES.values():
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2 * width, 100), "white").save(folder / source)
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "docs").mkdir(parents=True)
    for name in ("README.md", "config.yaml"):
        (root / name).write_text((ROOT / name).read_text())
    for page in (ROOT / "docs").glob("*.md"):
        (root / "docs" / page.name).write_text(page.read_text())
    return root


def text_of(repository: Path) -> str:
    """README and docs as one text."""
    return "\n".join(docs_pictures.read_pages(repository).values())


def test_one_command_renews_pictures_and_captions(repository: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "results")
    assert list(differences(repository)) == ["docs/pictures.json: missing; `make docs-figures` writes it"]
    renew(repository, results)
    assert list(differences(repository)) == [] and not outdated(repository)
    for name, (_, width) in PICTURES.items():
        with Image.open(repository / "docs" / name) as picture:
            assert picture.size == (width, 50)
    readme = text_of(repository)
    written = re.findall(r"<!-- figure\d: written by make docs-figures -->\n(.*?)<!-- end", readme, re.S)
    assert len(written) == 3 and max(len(line) for text in written for line in text.splitlines()) <= 120
    words = " ".join(readme.split())
    assert "2 of 2 with 1 % of the real films (3 films, 1 significant), 0 of 1 with 100 % of the real films" in words
    assert "embedded phantom, one run with 2 trials a cell." in words
    assert "Dice of SIIM-ACR with 1 % of the real films and 5 times as many synthetic images" in words
    # Of 365 pairs 57.67 %; an interval that is not known is not said.
    assert (
        "The published step orders 58 % of the 365 pairs of the sets that chose it as the simulated raters do" in words
    )
    assert "and 50 % of the 40 pairs of 9 sets apart; 50 % is chance. Dice of SIIM-ACR" in words
    assert "Figure 2 as `make figure2` draws it" in (repository / "docs" / "results.md").read_text()
    before = {path.name: path.read_bytes() for path in (repository / "docs").iterdir()}
    renew(repository, results)
    assert {path.name: path.read_bytes() for path in (repository / "docs").iterdir()} == before
    assert text_of(repository) == readme


def test_what_is_changed_by_hand_is_found(repository: Path, tmp_path: Path) -> None:
    renew(repository, write_results(tmp_path / "results"))
    page = repository / "docs" / "results.md"
    page.write_text(page.read_text().replace("2 of 2 with", "2 of 1 with"))
    (repository / "docs" / "figure4.png").write_bytes(b"another")
    assert [line.split(":")[0] for line in differences(repository)] == ["docs/figure4.png", "docs/results.md"]
    config = repository / "config.yaml"
    config.write_text(config.read_text().replace("  trials: 2\n", "  trials: 3\n"))
    assert outdated(repository)


def test_figure_2_alone_renews_its_picture_and_leaves_the_others(repository: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "results")
    renew(repository, results)
    before = json.loads((repository / RECORD).read_text())
    for name in ("figure3", "figure4"):
        (results / f"{name}.png").unlink()
    Image.new("RGB", (2600, 100), "red").save(results / "figure2.png")
    config = repository / "config.yaml"
    config.write_text(config.read_text().replace("  trials: 2\n", "  trials: 3\n"))
    assert "docs/figure3.png" not in renew(repository, results)
    after = json.loads((repository / RECORD).read_text())
    assert list(differences(repository)) == [] and outdated(repository)  # Figures 3 and 4 are of the code before
    changed = [name for name in PICTURES if after["pictures"][name] != before["pictures"][name]]
    assert changed == ["figure2.png"] and after["facts"] == before["facts"]


def test_results_that_are_not_there_change_nothing(repository: Path, tmp_path: Path) -> None:
    before = text_of(repository)
    with pytest.raises(InputError, match="figure2.png.*missing; run `make figure2 figure3 figures` first"):
        renew(repository, tmp_path / "none")
    assert text_of(repository) == before and not [
        path for path in (repository / "docs").iterdir() if path.suffix != ".md"
    ]


def test_each_caption_has_its_place() -> None:
    facts = json.loads((ROOT / docs_pictures.RECORD).read_text())["facts"]
    assert facts.keys() == {*docs_pictures.TABLES, *SENTENCES, "seeds"}
    assert "README.md" in with_captions(docs_pictures.read_pages(ROOT), {"answer": facts["answer"]})
    with_captions(docs_pictures.read_pages(ROOT), facts)
    with pytest.raises(InputError, match="no page has a place for the caption of answer"):
        with_captions({"README.md": "nothing"}, facts)


def test_the_pictures_and_captions_of_this_repository_are_those_renewed_last() -> None:
    if not (ROOT / docs_pictures.RECORD).is_file():
        pytest.skip("docs/ has not been renewed by `make docs-figures` yet")
    assert list(differences(ROOT)) == []
    assert json.loads((ROOT / docs_pictures.RECORD).read_text())["pictures"].keys() == {
        *PICTURES,
        "pairs.png",
        "report.png",
        NOTEBOOK,
    }


def test_a_caption_says_no_more_than_its_facts() -> None:
    table = pd.DataFrame([row("trial", "0.1", "real", 0, 0, n_real=30, value=0.5), row("mean", "0.1", "real", 0, None, n_real=30.5, value=0.5, significant=False, difference=float("nan"))])  # fmt: skip
    text = caption("figure2", facts_of(table))
    assert "0 of 0 with 10 % of the real films (30 to 31 films, 0 significant)" in " ".join(text.split())
    # Of an arm that the figure shows beside its own nothing is counted.
    more = [row("mean", "0.1", arm, 2, None, n_real=30.5, value=0.6, significant=False, difference=0.1) for arm in ("original", "duplicate")]  # fmt: skip
    text = caption("figure2", facts_of(pd.concat([table, pd.DataFrame(more)], ignore_index=True)))
    assert "1 of 1 with 10 % of the real films" in " ".join(text.split())
    both = pd.concat([table, pd.DataFrame(more)], ignore_index=True)
    assert [facts_of(both, name)["fractions"][0]["cells"] for name in ("figure2", "figure3")] == [1, 2]


def test_masks_beside_their_images_are_of_different_masks_and_the_word_phantom_is_there(tmp_path: Path) -> None:
    folder = tmp_path / POOL / "shard-0"
    with CohortWriter(folder, 16, ["lungs", STRUCTURE], [STRUCTURE], {"dataset": "candid"}) as writer:
        for number in range(12):
            field = np.full((16, 16), 1, np.uint8)
            field[: number % 6] |= 2  # 0 to 5 rows of the structure, each mask twice
            row = {"image_id": f"i{number}", "patient_id": "p", "split": "train", "sha256": "0", "synthetic": True}
            row |= {"mask_sha256": f"m{number % 6}", STRUCTURE: 1, "source_file": ""}
            writer.add(np.full((16, 16), 10 * number, np.uint8), field, row)
    pool = Cohort.open(folder)
    rows = pick_pairs(pool, STRUCTURE, PAIRS)
    assert pool.index["mask_sha256"].iloc[rows].tolist() == [
        "m1",
        "m2",
        "m3",
        "m4",
        "m5",
    ]  # by size; m0 shows none of it
    with Image.open(io.BytesIO(first_screen(tmp_path)["pairs.png"])) as picture:
        assert picture.size == (LEFT + 5 * (TILE + GAP), 2 * (TILE + GAP) + 2 * LINE)
        pixels = picture.convert("RGB")
    assert pixels.getpixel((LEFT + TILE // 2, TILE - 2)) == PALETTE["lungs"]
    assert pixels.getpixel((LEFT + TILE // 2, TILE + GAP + TILE // 2)) == (10, 10, 10)  # the image of mask m1
    assert "Phantom" in ABOUT and first_screen(tmp_path / "none") == {}


def test_the_answer_of_a_run_says_its_doubts() -> None:
    facts = {
        "headline": "Synthetic images helped in 1 of 4 comparisons with real films alone.",
        "trials": [2],
        "lines": {"green": 1, "amber": 2, "red": 0, "grey": 1},
    }
    assert answer_text(facts) == (
        f"*One run of the embedded study (`make figure2`, `make figures`, `make evidence`), on phantom films. {facts['headline']} Each comparison has 2 trials, which is "
        "few. Of 4 statements that have to hold for this to be believed, 1 holds, 2 are in doubt and 1 was not measured.*"
    )
    copies = "In none of 2 pools are near-copies more frequent than among held-out real films: 0 % against 1 %."
    assert answer_text({**facts, "copies": copies}).endswith(f"1 was not measured. Copies: i{copies[1:]}*")
    assert "few" not in answer_text({**facts, "trials": [5]}) and answer_facts(Path("nowhere")) == {}


def test_the_notebook_is_of_the_cells_of_this_version_and_small() -> None:
    path = ROOT / "docs" / NOTEBOOK
    cells = json.loads(path.read_text())["cells"]
    assert [(one["cell_type"], "".join(one["source"])) for one in cells] == list(CELLS)
    codes = [one for one in cells if one["cell_type"] == "code"]
    assert [one["execution_count"] for one in codes] == [1, 2, 3] and path.stat().st_size < 200_000
    kinds = [[output["output_type"] for output in one["outputs"]] for one in codes]
    assert kinds == [["stream"], ["stream", "display_data"], ["stream", "display_data"]]
    # The first cell needs no study: run here, it prints what stands in the notebook.
    assert _run("".join(codes[0]["source"]), "first", {}) == codes[0]["outputs"]
    assert "the same again: True" in "".join(codes[2]["outputs"][0]["text"])
