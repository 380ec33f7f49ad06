"""The check of somebody's data: the page is there whatever the table holds, and each fault is one line that says what to do."""

from __future__ import annotations

import csv
import errno
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts.lib.cohort import looking, prepare
from scripts.lib.cohort.looking import look_at
from scripts.lib.planning.checked import write_counts
from scripts.lib.planning.sizes import COUNTED, COUNTS, UNKNOWN, size_of
from scripts.lib.reporting.check_findings import film_tables, findings
from scripts.lib.reporting.check_needs import MISSING, WARNING, CheckLine
from scripts.lib.reporting.check_page import Cost, write_page
from scripts.lib.reporting.check_precision import few_tested
from scripts.lib.reporting.check_targets import Target, targets
from scripts.lib.study.config import CONFIG_FILE, load_study, stage

Row = dict[str, Any]


def films(count: int, **columns: Sequence[Any]) -> list[Row]:
    """Return rows of a table; a column that is named repeats its values."""
    rows = []
    for number in range(count):
        row: Row = {"image_id": f"f{number}", "file": f"films/{number}.png", "patient_id": f"p{number}"}
        row |= {"pneumonia": number % 2, "sex": "MF"[number // 2 % 2], "age": 20 + number % 60, "view": "PA"}
        rows.append(row | {name: values[number % len(values)] for name, values in columns.items()})
    return rows


def write(root: Path, rows: Sequence[Row], pictures: bool = True) -> None:
    rng = np.random.default_rng(1)
    (root / "films").mkdir(parents=True)
    with (root / "films.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for row in rows if pictures else ():
        (root / row["file"]).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(root / row["file"])


def study(root: Path, section: Mapping[str, Any] | None = None, **overlay: Any) -> dict[str, Any]:
    own = {"root": str(root), "task": "classification", "target": "pneumonia", "reader": {"table": "films.csv"}}
    given = {
        "study": {
            "name": "mine",
            "datasets": ["mine"],
            "fractions": [0.5, 1],
            "multipliers": {"0.5": [0, 2], "1": [0, 2]},
        },
        "arms": {"original": {"generator": "base"}},
        "datasets": {"mine": {**own, **(section or {})}},
    }
    return load_study([CONFIG_FILE], {**given, **overlay})


def check(tmp_path: Path, config: dict[str, Any]) -> tuple[list[CheckLine], list[Target], str]:
    """Return findings, targets and the text of the page."""
    root = Path(config["datasets"]["mine"]["root"])
    look = look_at("mine", stage(config, "prepare_cohort", "mine"), root, 1, tmp_path / "look", 1)
    found = findings(config, [look], {"mine": root})
    makes = targets(config, film_tables([look]), found)
    page = tmp_path / "check.html"
    write_page(page, config, [look], found, makes, Cost("a machine", 0.5, 0.2), {"mine": root})
    return found, makes, page.read_text(encoding="utf-8")


def stops(found: Sequence[CheckLine]) -> list[str]:
    lines = [one.line() for one in found if one.level == MISSING]
    assert all("\n" not in line and "Traceback" not in line for line in lines)
    return lines


def test_good_films_can_start_and_the_page_holds_everything(tmp_path: Path) -> None:
    write(tmp_path / "films of mine", films(60))
    found, makes, page = check(tmp_path, study(tmp_path / "films of mine"))
    assert stops(found) == []
    # 6 ill and 7 well to test: 1.96 / 2 * sqrt(0.8 * 0.2 * (1 / 6 + 1 / 7)) = 0.22
    assert [one.what for one in found if "from chance" in one.what and "± 0.22" in one.what]
    assert "This study can start." in page and "about 30 minutes" in page and "Real films" in page
    assert "synthetic" not in page.split("<h3>Real films")[1] and "PHANTOM" not in page
    # nothing from elsewhere: every picture is in the page, no script, no link
    assert set(re.findall(r'src="([^:]+):', page)) == {"data"} and "<script" not in page and "http" not in page
    assert {one.name: bool(one.reasons) for one in makes} == {
        "figure2": False, "evidence": False, "figure3": True, "rate": True, "figures": True,
    }  # fmt: skip
    assert any(
        "learns masks" in line or "learns from masks" in line
        for line in next(m for m in makes if m.name == "figure3").reasons
    )
    # 60 films, 18 for the generator, 0.3 * 42 = 12.6 so 13 to test, 29 to train; half of each are ill, to within a film
    assert re.search(r"<td>split</td><td>train</td><td[^>]*>29</td><td[^>]*>29</td><td[^>]*>1[45] ", page)
    assert re.search(r"<td>split</td><td>test</td><td[^>]*>13</td><td[^>]*>13</td><td[^>]*>[67] ", page)


@pytest.mark.parametrize(("ill", "well", "told"), [(30, 30, True), (31, 31, False), (10, 990, True), (0, 50, False)])
def test_too_few_test_films_are_told_before_anything_trains(ill: int, well: int, told: bool) -> None:
    """0.392 * sqrt(1/30 + 1/30) = 0.1012 and of 31 each 0.0996; of 10 and 990 0.125, whatever the 990; a class that is not there is another finding."""
    films = pd.DataFrame({"split": "test", "sick": [1] * ill + [0] * well})
    look = looking.Look("mine", films, ["sick"], [], None, [], False)
    found = list(few_tested(look, {"task": "classification", "target": "sick", "split": {"test": 0.3}}))
    assert bool(found) == told and all(one.level == WARNING for one in found)


def test_few_masks_to_test_are_told() -> None:
    """1.96 * 0.25 / sqrt(16) = 0.1225 of 16 films that show it; of 25 it is 0.098."""
    for shown, told in ((16, True), (25, False)):
        films = pd.DataFrame({"split": "test", looking.SHOWN: [2] * shown + [1] * 40})
        look = looking.Look("mine", films, [], ["heart", "lungs"], None, [], False)
        found = list(few_tested(look, {"task": "segmentation", "target": "lungs", "split": {}}))
        assert ["± 0.12" in one.what and f"{shown} of {shown + 40}" in one.what for one in found] == [True] * told


def test_a_plan_takes_what_a_check_has_counted(tmp_path: Path) -> None:
    write(tmp_path / "films", films(60))
    config = study(tmp_path / "films")
    look = look_at("mine", stage(config, "prepare_cohort", "mine"), tmp_path / "films", 1, tmp_path / "look", 1)
    write_counts(tmp_path / COUNTS, config, [look])
    size = size_of(config, "mine", tmp_path)
    assert (size.source, size.listed, size.splits) == (COUNTED, 60, {"generator": 18, "train": 29, "test": 13})
    other = study(tmp_path / "films", {"split": {"generator": 0.3, "test": 0.5}})
    assert size_of(other, "mine", tmp_path).source == UNKNOWN  # counted under another split


def test_a_full_disk_is_no_fault_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write(tmp_path / "films", films(3))
    config = study(tmp_path / "films")
    monkeypatch.setattr(looking, "prepare_cohort", full)
    with pytest.raises(OSError, match="No space left"):
        look_at("mine", stage(config, "prepare_cohort", "mine"), tmp_path / "films", 1, tmp_path / "look", 1)


def test_one_row(tmp_path: Path) -> None:
    write(tmp_path / "films", films(1))
    found, makes, page = check(tmp_path, study(tmp_path / "films"))
    assert stops(found) and "cannot start" in page and all(one.reasons for one in makes)


def test_all_one_label(tmp_path: Path) -> None:
    write(tmp_path / "films", films(40, pneumonia=[1]))
    found, _, page = check(tmp_path, study(tmp_path / "films"))
    (line,) = stops(found)
    assert "have pneumonia = 1: there is nothing to tell apart; add films of the other class" in line
    assert "cannot start: 1 thing to mend" in page


def test_all_test(tmp_path: Path) -> None:
    write(tmp_path / "films", films(40, split=["test"]))
    found, _, _ = check(tmp_path, study(tmp_path / "films", {"split": "given"}))
    lines = stops(found)
    assert "mine: no film of split train among 40; correct the table's column split" in lines
    assert len(lines) == 2 and "foundation model" in " ".join(lines)  # all that is missing, at once


def test_masks_of_another_folder(tmp_path: Path) -> None:
    write(tmp_path / "films", films(40, mask_file=["../masks/1.png"]))
    found, _, page = check(tmp_path, study(tmp_path / "films", {"structures": ["lungs"]}))
    assert any("../masks/1.png" in line for line in stops(found)) and "cannot start" in page


def test_masks_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path / "films", [row | {"mask_file": f"masks/{row['image_id']}.png"} for row in films(40)])
    found, _, page = check(tmp_path, study(tmp_path / "films", {"structures": ["lungs"]}))
    assert stops(found) and "masks/f0.png" in page


def test_names_with_commas_quotes_and_umlauts(tmp_path: Path) -> None:
    rows = films(40, note=["<script>alert(1)</script>"])
    for number, row in enumerate(rows):
        row["image_id"], row["file"] = f"Ä, \"{number}\" & 'ö' <b>", f"films/Größe, \"{number}\" 'ü'.png"
    write(tmp_path / "films", rows)
    found, _, page = check(tmp_path, study(tmp_path / "films"))
    assert stops(found) == []
    assert "Ä, &#34;0&#34; &amp; &#39;ö&#39; &lt;b&gt;" in page and "<b>," not in page


def test_films_in_a_folder_that_the_table_leaves_out(tmp_path: Path) -> None:
    write(tmp_path / "films", films(40))
    (tmp_path / "films" / "films").rename(tmp_path / "films" / "xray")
    table = tmp_path / "films" / "films.csv"
    table.write_text(table.read_text().replace("films/", ""))
    (line,) = stops(check(tmp_path, study(tmp_path / "films"))[0])
    assert line.endswith("it lies in xray: write reader: {images: xray} in the dataset's settings")
    reader = {"table": "films.csv", "images": "xray"}
    assert stops(check(tmp_path, study(tmp_path / "films", {"reader": reader}))[0]) == []


def test_unusable_and_double_films_are_shown(tmp_path: Path) -> None:
    write(tmp_path / "films", films(40))
    (tmp_path / "films" / "films" / "3.png").write_bytes(b"no picture")
    data = (tmp_path / "films" / "films" / "0.png").read_bytes()
    (tmp_path / "films" / "films" / "1.png").write_bytes(data)  # film 0 is healthy, film 1 is ill
    found, _, page = check(tmp_path, study(tmp_path / "films"))
    assert any(
        "1 of 40 films cannot be used (1 x " in line
        and "e.g. films/3.png), more than datasets.mine.quarantine_limit = 0.01" in line
        for line in stops(found)
    )
    assert any(
        "1 picture is there more than once with different pneumonia, e.g. f0 and f1" in one.what for one in found
    )
    assert "Not taken: 1" in page and "nothing can be seen of it" in page and "films/3.png" in page
    assert "different pneumonia, patient" in page


def test_too_small_a_fraction_names_the_smallest(tmp_path: Path) -> None:
    write(tmp_path / "films", films(40))
    config = study(tmp_path / "films")
    config["study"] |= {"fractions": [0.01, 1], "multipliers": {"0.01": [0, 2], "1": [0]}}
    found, _, _ = check(tmp_path, config)
    (line,) = stops(found)
    smallest = float(re.search(r"smallest usable fraction is ([0-9.]+)", line)[1])  # type: ignore[index]
    # 40 films, 12 for the generator, 8 to test, 20 to train: two films, one of each class, are a tenth of them.
    assert 1 / 20 < smallest <= 0.15 and "fraction 0.01 of 20 training films" in line


def test_warnings(tmp_path: Path) -> None:
    rows = films(80, split=["train", "train", "train", "test"], source=["here"])
    for row in rows:
        row["pneumonia"] = int(row["split"] == "test") if int(row["image_id"][1:]) > 8 else int(row["image_id"][1:]) % 2
        row["view"] = "AP" if row["pneumonia"] else "PA"
    write(tmp_path / "films", rows)
    found, _, _ = check(tmp_path, study(tmp_path / "films", {"split": "given"}))
    text = "\n".join(one.line() for one in found if one.level == WARNING)
    for words in (
        "not stratified over the split",
        "one source (source = here)",
        "each of the 80 films is of another patient",
        "pneumonia goes with view: 0% at PA, 100% at AP",
    ):
        assert words in text, words


def test_a_large_table_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "ALL", 30)
    monkeypatch.setattr(looking, "SAMPLE", 10)
    monkeypatch.setattr(prepare, "list_records", None)  # its table is read once
    write(tmp_path / "films", films(60))
    found, _, page = check(tmp_path, study(tmp_path / "films"))
    assert stops(found) == [] and "10 of these films were decoded for this page" in page
    assert re.search(r"<td>split</td><td>train</td><td[^>]*>29</td>", page)  # as the study itself will split them
    write(tmp_path / "masked", films(60, mask_file=["masks/0.png"]))
    found, _, _ = check(tmp_path, study(tmp_path / "masked", {"structures": ["lungs"]}))
    assert any("mask masks/0.png is given to films/" in line for line in stops(found))
