"""An exported pool says what it is, comes back as the same pool, and every image of it can be traced."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from scripts.export_pool import main as export
from scripts.import_pool import main as take_in
from scripts.lib.cohort.learned import write_learned
from scripts.lib.cohort.store import Cohort, pixels_sha256
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.pools.tracing import read_image, trace
from scripts.trace_image import main as trace_command
from tests.helpers.downstream_films import write_films
from tests.helpers.own_images import MASKS, SETTINGS, picture

SIDE, MADE = 16, "feedbeef01234567"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one pool of two shards, five images, two structures; its generator, conditions and nearest films."""
    root = tmp_path_factory.mktemp("study") / "results"
    write_films(root / "films" / "cohort", 12, 4)
    pool = root / "films" / "pools" / "original" / "fraction-0.5"
    meta = {"dataset": "films", "generator": MADE, "seed": 7}
    for shard, numbers in enumerate(((0, 1, 2), (3, 4))):
        with CohortWriter(pool / f"shard-{shard}", SIDE, ["heart", "lungs"], ["pneumonia"], meta, True) as writer:
            for number in numbers:
                field = np.zeros((SIDE, SIDE), np.uint8)
                field[: number + 1], field[:, 8:] = 2, 3  # lungs, and both where they overlap
                image = picture(100 + number)
                name = f"c{number}-0"
                row = {
                    "image_id": name,
                    "patient_id": name,
                    "split": "train",
                    "sha256": pixels_sha256(image),
                    "synthetic": True,
                }
                row |= {"pneumonia": number % 2, "condition_id": f"c{number}", "sample": 0, "kind": "both"}
                writer.add(image, field, row | dict.fromkeys(("view", "age", "sex", "report", "source_file")))
    conditions = pd.DataFrame(
        {"condition_id": [f"c{n}" for n in range(5)], "kind": "both", "prompt": 'right "big", lung\nfinding'}
    )
    conditions = conditions.assign(mask_source="f1", transform="{}", side="right")
    (root / "films" / "conditions" / "original").mkdir(parents=True)
    conditions.to_parquet(root / "films" / "conditions" / "original" / "fraction-0.5.parquet")
    generator = root / "generators" / "controlnet"
    generator.mkdir(parents=True)
    (generator / "synthorax.json").write_text(json.dumps({"fingerprint": MADE}))
    films = pd.DataFrame({"dataset": "mimic", "image_id": ["a", "b"], "patient_id": "p", "sha256": "0", "role": "base"})
    write_learned(generator, [films])
    nearest = {
        "image_id": ["c1-0"],
        "film_dataset": ["mimic"],
        "film": ["b"],
        "similarity": [0.9371],
        "mirrored": [True],
    }
    pd.DataFrame(nearest).to_parquet(pool / "nearest-0.parquet")
    pd.DataFrame({"measure": ["near_copies"], "value": [0.0], "verdict": ["passes"]}).to_csv(
        pool / "memorisation.csv", index=False
    )
    return root


@pytest.fixture(scope="module")
def exported(results: Path) -> Path:
    out = results.parent / "exported"
    export(["--pool", str(results / "films/pools/original/fraction-0.5"), "--out", str(out), "--target", "lungs"])
    return out


def test_the_export_comes_back_as_the_same_pool(results: Path, exported: Path) -> None:
    pool = Cohort.open([results / f"films/pools/original/fraction-0.5/shard-{k}" for k in (0, 1)])
    for settings, path in (
        (SETTINGS, exported),
        (SETTINGS, exported / "images"),
        ({**MASKS, "labels": ["pneumonia"]}, exported),
    ):
        cohort, out = str(results / "films" / "cohort"), results.parent / f"back-{path.name}-{settings['task']}"
        words = ["--path", str(path), "--cohort", cohort, "--cohorts", cohort, "--arm", "mine", "--out", str(out)]
        take_in([*words, "--config", json.dumps(settings)])
        back = Cohort.open(out)
        order = back.index.set_index("image_id").index.get_indexer(pool.index["image_id"])
        assert len(back) == len(pool) == 5 and (order >= 0).all()
        np.testing.assert_array_equal(back.images(order), pool.images(slice(None)))
        assert back.index["sha256"].iloc[order].tolist() == pool.index["sha256"].tolist()
        assert back.index["pneumonia"].iloc[order].tolist() == [0, 1, 0, 1, 0]
        if settings["task"] == "segmentation":
            np.testing.assert_array_equal(back.mask(order, "lungs"), pool.mask(slice(None), "lungs"))


def test_every_picture_says_what_it_is(exported: Path) -> None:
    said, digest = read_image(exported / "images" / "c1-0.png")
    assert said == {
        "synthetic": True,
        "image_id": "c1-0",
        "dataset": "films",
        "arm": "original",
        "generator": MADE,
        "seed": 7,
        "condition_id": "c1",
        "sample": 0,
        "sha256": digest,
    }
    with (exported / "images" / "prompt_INFO.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 and rows[1] == {
        "img_savename": "c1-0.png",
        "prompt": 'right "big", lung\nfinding',
        "pneumonia": "1",
    }
    card = (exported / "README.md").read_text()
    assert (
        "5 synthetic images of 16 x 16" in card
        and "2 films of mimic (base)" in card
        and "| pneumonia | 2 | 3 |" in card
    )
    assert "| near_copies | 0.0 | passes |" in card and "for you to say" in card
    heart = np.asarray(Image.open(exported / "masks" / "heart" / "c1-0.png"))
    assert set(np.unique(heart)) == {0, 255} and (heart[:, 8:] == 255).all() and not heart[:, :8].any()


def test_an_image_is_traced_by_file_pixels_or_name(
    results: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported / "images" / "c1-0.png"
    lines = trace(str(file), results)
    text = "\n".join(lines)
    for part in (
        "image:        c1-0",
        MADE,
        "2 films of mimic (base)",
        "mask_source f1",
        "b of mimic, correlation 0.937, mirrored",
    ):
        assert part in text
    assert "memorisation of the pool passes" in text and "WARNING" not in text
    Image.open(file).save(tmp_path / "bare.png")  # without its text
    assert trace(str(tmp_path / "bare.png"), results) == lines
    trace_command(["c1-0", "--results", str(results)])
    assert capsys.readouterr().out == text + "\n"
    assert any("not measured" in line for line in trace("c4-0", results))


def test_pools_that_share_an_image_are_all_named(results: Path, exported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    pools = copy / "films" / "pools" / "original"
    shutil.copytree(pools / "fraction-0.5", pools / "fraction-1")
    lines = trace(str(exported / "images" / "c1-0.png"), copy)
    assert lines[1].endswith("fraction-0.5/shard-0")
    assert lines[-1] == f"also in:      {pools / 'fraction-1'}, whose verdicts may differ"


def test_a_changed_picture_is_told_so_and_a_strange_one_refused(results: Path, exported: Path, tmp_path: Path) -> None:
    with Image.open(exported / "images" / "c1-0.png") as image:
        image.load()
        text = image.text
        changed = image.point(lambda value: value // 2)
    info = PngInfo()
    info.add_itxt("synthorax", text["synthorax"])
    changed.save(tmp_path / "changed.png", pnginfo=info)
    lines = trace(str(tmp_path / "changed.png"), results)
    assert lines[0].startswith("WARNING: no pool has these pixels") and "c1-0" in lines[1]
    Image.fromarray(picture(103)).save(tmp_path / "other.png", pnginfo=info)  # the pixels of c3-0
    assert (
        trace(str(tmp_path / "other.png"), results)[0] == "WARNING: its text names c1-0, its pixels are those of c3-0"
    )
    changed.save(tmp_path / "strange.png")
    with pytest.raises(InputError, match="no pool below .* has this image, by its pixels or name"):
        trace(str(tmp_path / "strange.png"), results)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="not a readable picture"):
        trace(str(tmp_path / "text.png"), results)


def test_bad_requests_write_nothing(results: Path, exported: Path, tmp_path: Path) -> None:
    pool = results / "films/pools/original/fraction-0.5"
    for folder, out, more, message in (
        (results / "films", tmp_path / "a", [], "no pool; expected a folder like"),
        (pool, exported, [], "there is something already"),
        (pool, tmp_path / "a", ["--target", "bones"], "no structure bones; there are heart, lungs"),
    ):
        with pytest.raises(InputError, match=message):
            export(["--pool", str(folder), "--out", str(out), *more])
    assert list(tmp_path.iterdir()) == []
    export(["--pool", str(pool), "--out", str(tmp_path / "some"), "--most", "2"])
    assert len(list((tmp_path / "some" / "images").glob("*.png"))) == 2
    assert "mask_file" not in (tmp_path / "some" / "labels.csv").read_text()  # two structures, none of them named


def test_croissant_names_every_file_and_column_with_what_the_format_asks_for(exported: Path) -> None:
    found = json.loads((exported / "croissant.json").read_text())
    # Required of a data set by Croissant 1.1 (and schema.org): docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
    needed = {"@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished"}
    assert needed <= set(found) and found["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    parts = {one["@id"]: one for one in found["distribution"]}
    table = exported / parts["table"]["contentUrl"]
    assert parts["table"]["sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert len(list(exported.glob(parts["pictures"]["includes"]))) == 5
    assert len(list(exported.glob(parts["masks"]["includes"]))) == 10  # two structures
    (records,) = found["recordSet"]
    fields = {one["name"]: one for one in records["field"]}
    assert list(fields) == list(pd.read_csv(table).columns) and all(one["description"] for one in fields.values())
    assert fields["pneumonia"]["dataType"] == "sc:Integer" and fields["report"]["dataType"] == "sc:Text"
    assert records["key"]["@id"] == fields["image_id"]["@id"]
    assert all(one["source"]["fileObject"]["@id"] in parts for one in fields.values())


def test_mlcroissant_reads_the_records(exported: Path) -> None:
    mlcroissant = pytest.importorskip(
        "mlcroissant", reason="pip install mlcroissant checks the metadata with its own library"
    )
    records = list(mlcroissant.Dataset(str(exported / "croissant.json")).records("images"))
    assert [one["images/image_id"].decode() for one in records] == [f"c{n}-0" for n in range(5)]
