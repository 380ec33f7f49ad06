"""Edits from films to the figure, by the real commands on a model of two steps."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from scripts import check_judge, edit_film, edit_films, measure_edits, plot_edits, sweep_edits, train_judge
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.editing.editor import Editor
from scripts.lib.editing.opening import open_editor
from scripts.lib.editing.stores import read_points
from scripts.lib.editing.subjects import subjects
from scripts.lib.study.config import CONFIG_FILE, ROOT, load_study
from scripts.lib.study.judging import Judging
from scripts.lib.study.study import Study
from scripts.lib.training.settings import Section
from tests.helpers.class_models import LABEL, write_films
from tests.helpers.diffusion_models import PLACE, SAMPLING
from tests.helpers.edited_films import EDITS, common, write_world

STUDY = [CONFIG_FILE, ROOT / "studies" / "paediatric-phantom.yaml"]
METHODS = ["ddpm", "ddim", "sdedit", "own-class", "sdedit-equal"]


def judge_settings() -> dict[str, Any]:
    config = load_study(
        STUDY, {"faithfulness": {"judge": {"steps": 2}}, "edits": {"judge": {"dataset": "children", "split": "train"}}}
    )
    found = Judging(Study(config)).settings(SimpleNamespace(judge="children-train-labels-blurred"))
    assert found["blur"] == 1.5
    return {**found, **PLACE, "batch_size": 4}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films, model, judge and edits of every method."""
    root = write_world(tmp_path_factory.mktemp("edits"))
    call = [
        "--cohort",
        str(root / "films"),
        "--split",
        "train",
        "--config",
        json.dumps(judge_settings()),
        "--seed",
        "1",
    ]
    train_judge.main([*call, "--checkpoint-dir", str(root / "c"), "--out", str(root / "judge")])
    films = ["--cohort", str(root / "films"), "--target", LABEL, "--config", json.dumps(EDITS)]
    check_judge.main(["--judge", str(root / "judge"), *films, "--out", str(root / "judge.json")])
    verdict = json.loads((root / "judge.json").read_text())
    verdict["labels"][0]["threshold"] = 0.0  # films of two steps' training: the judge sees the finding in all of them
    (root / "judge.json").write_text(json.dumps(verdict))
    out = ["--out", str(root / "sweep.csv"), "--points", str(root / "points.json")]
    sweep_edits.main([*common(root, "generator", "judge"), *out])
    for method in METHODS:
        call = [
            "--method",
            method,
            "--shard",
            "0",
            "--points",
            str(root / "points.json"),
            "--out",
            str(root / method / "shard-0"),
        ]
        edit_films.main([*common(root, "generator"), *call])
    return root


def editor(root: Path) -> Editor:
    return open_editor(root / "model", SAMPLING, Section(EDITS, "edits"), 5)


def films(root: Path, split: str = "test") -> tuple[np.ndarray, list[str], np.ndarray]:
    cohort = Cohort.open(root / "films")
    rows = cohort.rows(split=split)
    return (
        cohort.images(rows),
        cohort.index["image_id"].iloc[rows].tolist(),
        cohort.index[LABEL].iloc[rows].to_numpy(int),
    )


@pytest.mark.parametrize("way", ["ddpm", "ddim", "sdedit"])
def test_the_own_class_and_no_strength_give_the_film_back_byte_for_byte(world: Path, way: str):
    pixels, names, own = films(world)
    assert (editor(world).edit(pixels, names, own, own, way, 0.7, 5.0) == pixels).all()
    assert (editor(world).edit(pixels, names, own, 1 - own, way, 0.0, 5.0) == pixels).all()
    assert not (editor(world).edit(pixels, names, own, 1 - own, way, 0.7, 50.0) == pixels).all()


def test_an_edit_depends_on_its_film_alone(world: Path):
    """Four at a time, three of them with two of padding, or one: the same bytes."""
    pixels, names, own = films(world)
    together = editor(world).edit(pixels, names, own, 1 - own, "ddpm", 0.5, 3.0)
    alone = editor(world).edit(pixels[2:3], names[2:3], own[2:3], 1 - own[2:3], "ddpm", 0.5, 3.0)
    assert (together[2] == alone[0]).all()


def test_a_film_of_another_size_and_an_unknown_class_are_refused(world: Path):
    with pytest.raises(InputError, match="film0: a film of 16 x 16 pixels; this generator edits films of 32 x 32"):
        editor(world).edit(np.zeros((1, 16, 16), np.uint8), ["film0"], np.array([0]), np.array([1]), "ddpm", 0.5, 1.0)
    with pytest.raises(InputError, match="no class edema; the generator knows normal, pneumonia"):
        editor(world).number("edema")


def test_a_generator_of_texts_is_refused():
    with pytest.raises(InputError, match="here: this generator follows no classes, so it cannot edit films"):
        Editor(object(), Section({}, "edits"), 1, "here")


def test_a_sweep_has_every_point_and_marks_the_chosen(world: Path):
    table = pd.read_csv(world / "sweep.csv")
    points = read_points(world / "points.json")
    assert list(points) == ["ddpm", "ddim", "sdedit"]
    assert len(table[["way", "strength", "guidance"]].drop_duplicates()) == 6
    chosen = table[table["chosen"]]
    assert {(row.way, row.guidance) for row in chosen.itertuples()} == {
        (one.way, one.guidance) for one in points.values()
    }


def test_stores_are_cohorts_and_the_own_class_is_the_film(world: Path):
    store, (pixels, names, own) = Cohort.open(world / "own-class" / "shard-0"), films(world)
    assert (store.images(slice(None)) == pixels).all() and store.index["source"].tolist() == names
    edits = Cohort.open(world / "ddpm" / "shard-0")
    assert edits.index[LABEL].tolist() == (1 - own).tolist() and edits.index["synthetic"].all()
    assert edits.index["image_id"].tolist() == [
        f"{name}-to-{'normal' if mine else LABEL}" for name, mine in zip(names, own)
    ]
    assert edits.index["cycle"].notna().all()


def test_shards_hold_the_edits_of_the_whole(world: Path):
    call = [*common(world, "generator"), "--method", "ddpm", "--points", str(world / "points.json")]
    call[call.index("--config") + 1] = json.dumps({**EDITS, "shards": 3})
    for shard in range(3):
        edit_films.main([*call, "--shard", str(shard), "--out", str(world / "parts" / f"shard-{shard}")])
    parts = Cohort.open([world / "parts" / f"shard-{shard}" for shard in range(3)])
    whole = Cohort.open(world / "ddpm" / "shard-0")
    assert (parts.images(slice(None)) == whole.images(slice(None))).all()
    assert parts.index["image_id"].tolist() == whole.index["image_id"].tolist()


def test_the_table_has_all_methods_and_controls_and_the_figure_is_drawn(world: Path):
    out = ["--out", str(world / "edits.csv"), "--films", str(world / "found.parquet")]
    call = common(world, "judge")
    call[call.index("--config") + 1] = json.dumps({**EDITS, "nearest": 5})
    call += [
        "--edits",
        str(world),
        "--shards",
        "1",
        "--points",
        str(world / "points.json"),
        "--note",
        "of the same house",
    ]
    measure_edits.main([*call, "--methods", *METHODS, *out])
    table = pd.read_csv(world / "edits.csv")
    assert list(dict.fromkeys(table["method"])) == [*METHODS, "other-child", "as-sharp", "real"]
    own = table[(table["method"] == "own-class") & (table["to"] == "any")].set_index("measure")["value"]
    assert own["change"] == 0 and own["ssim"] == 1 and own["gain"] == 0 and own["identity_pixels"] == 1
    assert table.loc[table["measure"] == "gain", "note"].str.contains("of the same house").all()
    assert table.loc[table["measure"] == "kid", "note"].str.contains("fewer than the 40").all()
    call = [
        "--cohort",
        str(world / "films"),
        "--edits",
        str(world / "ddpm" / "shard-0"),
        "--films",
        str(world / "found.parquet"),
    ]
    call += [
        "--table",
        str(world / "edits.csv"),
        "--config",
        '{"width_mm": 170, "dpi": 60}',
        "--out",
        str(world / "edits.png"),
    ]
    plot_edits.main(call)
    assert Image.open(world / "edits.png").size[0] > 300


def test_a_refused_judge_stops_the_sweep_with_one_line(world: Path):
    verdict = json.loads((world / "judge.json").read_text())
    (world / "weak.json").write_text(json.dumps({**verdict, "refused": "its AUROC is 0.51"}))
    call = common(world, "generator", "judge")
    call[call.index("--verdict") + 1] = str(world / "weak.json")
    with pytest.raises(
        InputError, match="weak.json: the judge is refused: its AUROC is 0.51; name other films in edits.judge"
    ):
        sweep_edits.main([*call, "--out", str(world / "no.csv"), "--points", str(world / "no.json")])
    assert not (world / "no.csv").exists()


def test_a_cohort_without_films_to_choose_on_says_which_key_makes_them(world: Path, tmp_path: Path):
    write_films(tmp_path / "films", [1, 0, 1, 0], others=("test", "test"))
    cohort = Cohort.open(tmp_path / "films")
    with pytest.raises(InputError, match=r"no film of split validate, .*set the dataset's split\.validate"):
        subjects(cohort, ["normal", LABEL], "validate", 4)


def test_a_film_of_ones_own_is_edited_into_a_folder(world: Path, capsys: pytest.CaptureFixture[str]):
    results = world / "results"
    (results / "generators").mkdir(parents=True)
    (results / "generators" / "class-ldm").symlink_to(world / "model")
    film = np.random.default_rng(1).integers(0, 256, (40, 64), dtype=np.uint8)
    Image.fromarray(film).save(world / "mine.png")
    Image.fromarray(film[:16, :16]).save(world / "small.png")
    call = [
        "--results",
        str(results),
        "--study",
        str(STUDY[1]),
        "--strength",
        "0.1",
        "--guidance",
        "2",
        "--out",
        str(world / "own"),
    ]
    edit_film.main([str(world / "mine.png"), "--to", "normal", *call])
    assert "pneumonia to normal: " in capsys.readouterr().out
    about = json.loads((world / "own" / "edit.json").read_text())
    assert about["of"] == LABEL and about["to"] == "normal" and about["strength"] == 0.1 and about["judge"] is None
    assert np.asarray(Image.open(world / "own" / "difference.png")).shape == (32, 32, 3)
    for words, told in (
        ([str(world / "mine.png"), "--to", "edema"], "no class edema"),
        ([str(world / "small.png"), "--to", "normal"], "16 x 16 pixels; this generator edits films of 32 x 32"),
        ([str(world / "points.json"), "--to", "normal"], "expected a PNG, a JPEG or a DICOM"),
    ):
        with pytest.raises(InputError, match=told):
            edit_film.main([*words, *call])
