"""An export of images whose labels, structures and identities are no names of files or columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.export_pool import main as export
from scripts.import_pool import main as take_in
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.pools.exporting import file_name
from scripts.trace_image import main as trace_command
from tests.helpers.downstream_films import write_films
from tests.helpers.own_images import SETTINGS, picture

SIDE = 16


def test_names_that_are_no_file_names_come_back_as_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels and identities of images made elsewhere hold what they like: quotes, line breaks, tags, paths out of the folder."""
    names = ["a/b", "../../out", "\u00e4 \u00f6", 'say "x"', "x" * 300]
    labels = ['\u00d6dem "links", rechts|x', "two\nlines", "<b>", " edge "]
    results = tmp_path / "results"
    write_films(results / "films" / "cohort", 4, 4)
    pool = results / "films/pools/mine/imported"
    structures = ["lungs", "../up"]
    with CohortWriter(pool, SIDE, structures, labels, {"dataset": "films", "labels": labels}, True) as writer:
        for number, name in enumerate(names):
            image, field = picture(200 + number), np.full((SIDE, SIDE), number % 4, np.uint8)
            row = {
                "image_id": name,
                "patient_id": name,
                "split": "train",
                "sha256": pixels_sha256(image),
                "synthetic": True,
            }
            row |= {label: (0, 1, None)[(number + place) % 3] for place, label in enumerate(labels)}
            writer.add(image, field, row | dict.fromkeys(("view", "age", "sex", "report", "source_file")))
    out = tmp_path / "exported"
    export(["--pool", str(pool), "--out", str(out), "--target", "lungs"])
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.png")]
    assert len(files) == 15 and {path.parts[:-1] for path in files} == {
        ("exported", "images"),
        ("exported", "masks", "lungs"),
        ("exported", "masks", file_name("../up")),
    }
    card = (out / "README.md").read_text()
    assert '| \u00d6dem "links", rechts\\|x | 2 | 2 |' in card and "| two lines | 2 | 1 |" in card
    assert "| &lt;b> | 1 | 2 |" in card  # 0, 1, none, 0, 1 of five images; the next label begins one later
    cohort, settings = str(results / "films/cohort"), {**SETTINGS, "labels": labels, "target": labels[0]}
    words = [
        "--path",
        str(out),
        "--cohort",
        cohort,
        "--cohorts",
        cohort,
        "--arm",
        "mine",
        "--config",
        json.dumps(settings),
    ]
    take_in([*words, "--out", str(tmp_path / "back")])
    first, back = Cohort.open(pool), Cohort.open(tmp_path / "back")
    order = back.index.set_index("image_id").index.get_indexer(first.index["image_id"])
    assert (order >= 0).all() and len(back) == 5
    np.testing.assert_array_equal(back.images(order), first.images(slice(None)))
    for label in labels:
        assert back.index[label].iloc[order].fillna(-1).tolist() == first.index[label].fillna(-1).tolist()
    capsys.readouterr()
    trace_command([str(out / "images" / f"{file_name(names[3])}.png"), "--results", str(results)])
    told = capsys.readouterr().out.splitlines()
    assert told[0] == 'image:        say "x"' and len(told) == 9


def test_a_label_called_like_a_column_of_the_table_is_refused(tmp_path: Path) -> None:
    pool = tmp_path / "results/films/pools/mine/imported"
    with CohortWriter(pool, SIDE, [], ["sample"], {"dataset": "films"}, False) as writer:
        row = {"image_id": "a", "patient_id": "a", "split": "train", "sha256": "0", "synthetic": True, "sample": 1}
        writer.add(picture(1), None, row | dict.fromkeys(("view", "age", "sex", "report", "source_file")))
    with pytest.raises(InputError, match=r"label sample is the name of a column that labels\.csv has"):
        export(["--pool", str(pool), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
