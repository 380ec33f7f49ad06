"""Simulated raters: what the judges can tell of phantom films, how scores come about, and what is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import simulate_ratings as command
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.auroc import auroc
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.log import RatingLog, read_ratings
from scripts.lib.feedback.log_lines import write_simulated
from scripts.lib.feedback.simulation import judge_sets, simulate, text_fit
from scripts.lib.feedback.simulation_judges import learn_judges
from scripts.lib.feedback.truth import (
    ArtefactJudge,
)
from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.reports import write_report
from scripts.lib.phantom.spec import STRUCTURES
from scripts.lib.phantom.study import film_stream, plan_films

LABELS = ["pneumothorax", "pleural_effusion"]
JUDGE = {
    "findings": {"dataset": "mimic", "splits": ["train"]},
    "masks": {"dataset": "candid", "splits": ["generator"]},
    "films": 200,
}
SETTINGS = {"unnamed_weight": 0.2, "artefact_weight": 0.3, "severity": 0.4, "noise": 0.6, "drift": 0.4}


def write_films(folder, dataset, count, split, seed):
    """Phantom films of 32 pixels, a third each with pneumothorax, with effusion, and without finding."""
    shares = {"pneumothorax": 0.4, "pleural_effusion": 0.3}
    config = {
        "patients": count,
        "prevalence": shares,
        "films_per_patient": [1, 1],
        "lateral": 0,
        "double": 0,
        "accompany": {},
    }
    films = plan_films("mimic", config | {"validate_patients": 0, "test_patients": 0}, seed, dataset)
    with CohortWriter(folder, 32, STRUCTURES, LABELS, {"dataset": dataset}) as writer:
        for number, spec in enumerate(films):
            film = draw_film(spec, 32, film_stream(spec))
            field = sum((film.masks[name].astype(np.uint8) << bit) for bit, name in enumerate(STRUCTURES))
            row = {"image_id": f"{dataset}-{number}", "patient_id": f"p{number}", "split": split(number)}
            row |= {name: int(name.replace("_", " ") in spec.names) for name in LABELS}
            row["report"] = write_report(spec, np.random.default_rng(number)).findings
            writer.add(film.image, field.astype(np.uint8), row)
    return Cohort.open(folder)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    mimic = write_films(folder / "mimic", "mimic", 200, lambda k: "train" if k < 160 else "validate", 1)
    candid = write_films(folder / "candid", "candid", 120, lambda k: "generator" if k < 80 else "test", 2)
    return [mimic, candid]


def write_pool(folder, cohort, rows, ids):
    """A pool of real films: four a condition."""
    with CohortWriter(folder, 32, STRUCTURES, LABELS, {"dataset": "candid"}) as writer:
        for place, row in enumerate(rows):
            made = {"image_id": f"s{place}", "patient_id": f"s{place}", "split": "train", "synthetic": True}
            made |= {"condition_id": ids[place // 4], "sample": place % 4}
            writer.add(cohort.images([row])[0], cohort.masks([row])[0], made)
    return Cohort.open(folder)


@pytest.fixture(scope="module")
def rated(tmp_path_factory, cohorts):
    """(sets, pool): effusion and pneumothorax films under the text "Pneumothorax", a mask set, and a control."""
    held = cohorts[1].index.iloc[80:]
    air = (80 + np.flatnonzero(held["pneumothorax"] == 1)).tolist()
    fluid = (80 + np.flatnonzero(held["pleural_effusion"] == 1)).tolist()
    rows = [air[0], fluid[0], air[1], fluid[1], *air[2:6]]
    pool = write_pool(tmp_path_factory.mktemp("pool") / "shard-0", cohorts[1], rows, ["c0", "c1"])
    controls = cohorts[0].index.iloc[160:].query("pneumothorax == 1")["image_id"].head(4).tolist()
    sets = pd.DataFrame(
        [
            ("set-0000", "text", "Pneumothorax", None, "c0", "{}", None, None),
            ("set-0001", "both", "Pneumothorax", f"candid-{air[2]}", "c1", "{}", None, "candid"),
            ("set-0002", "control", "Pneumothorax", None, None, "{}", json.dumps(controls), "mimic"),
        ],
        columns=["set_id", "kind", "prompt", "mask_source", "condition_id", "labels", "films", "dataset"],
    ).astype("string")
    return sets, pool


@pytest.fixture(scope="module")
def judges(cohorts, rated):
    return learn_judges(cohorts, rated[0], JUDGE, 1)


def assign(raters=("a", "b"), order=(2, 0, 3, 1)):
    rows = [
        (rater, place, set_id, role, json.dumps(order))
        for rater in raters
        for place, (set_id, role) in enumerate(
            [("set-0000", "own"), ("set-0001", "shared"), ("set-0002", "control"), ("set-0000", "repeat")]
        )
    ]
    return pd.DataFrame(rows, columns=["rater", "place", "set_id", "role", "order"])


def test_the_judges_tell_findings_of_films_they_did_not_see(judges, cohorts):
    held = cohorts[0].select(np.arange(160, 200))
    presence = judges.findings.presence(held.images(slice(None)))
    for name in LABELS:
        assert auroc((held.index[name] == 1).to_numpy(), presence[name]) > 0.85
        assert judges.findings.findings[name].known > 0.7
    assert set(judges.findings.sides) == set(LABELS)


def test_a_film_follows_its_own_mask_better_than_another(judges, cohorts):
    held = cohorts[1].select(np.arange(80, 120))
    images, fields = held.images(slice(None)), held.masks(slice(None))
    own, other = judges.mask(images, fields), judges.mask(images, np.roll(fields, 1, axis=0))
    assert np.median(own) > 0.75 > 0.35 > np.median(other)
    assert np.isnan(judges.mask(images[:1], np.zeros_like(fields[:1]))).all()


def test_noise_and_blur_are_artefacts(judges, cohorts):
    images = cohorts[0].select(np.arange(160, 200)).images(slice(None))
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    flat = np.repeat(images.mean(axis=(1, 2), keepdims=True), 32, 1).repeat(32, 2).astype(np.uint8)
    usual, noisy, blank = (np.median(judges.artefact(films)) for films in (images, noise, flat))
    assert usual < 0.1 and noisy > 0.5 and blank > 0.3
    assert ((judges.artefact(noise) >= 0) & (judges.artefact(noise) <= 1)).all()


def test_text_fit_by_hand():
    presence, left = {"pneumothorax": 0.8, "edema": 0.1}, {"pneumothorax": 0.9}
    # Named 0.8, nothing else 1 - 0.1: 0.8 * 0.8 + 0.2 * 0.9.
    assert text_fit("Pneumothorax", presence, left, 0.2) == pytest.approx(0.82)
    # On the right side 0.8 * (0.5 + 0.5 * 0.1) = 0.44; on the left 0.8 * 0.95 = 0.76.
    assert text_fit("Right pneumothorax", presence, left, 0.2) == pytest.approx(0.8 * 0.44 + 0.18)
    assert text_fit("Left pneumothorax", presence, left, 0.2) == pytest.approx(0.8 * 0.76 + 0.18)
    assert text_fit("Normal", presence, left, 0.2) == pytest.approx(0.2)
    assert text_fit("Scoliosis", presence, left, 0.2) == pytest.approx(0.2)  # not judged: nothing else must be there
    assert text_fit("Edema and pneumothorax", presence, left, 0.2) == pytest.approx(0.8 * 0.45 + 0.2)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_text_fit_is_a_share(air, fluid, left, weight):
    for prompt in ("Normal", "Left pneumothorax", "Pleural effusion", "Rib fracture"):
        assert 0 <= text_fit(prompt, {"pneumothorax": air, "edema": fluid}, {"pneumothorax": left}, weight) <= 1


def test_films_with_the_finding_score_higher(judges, rated, cohorts):
    quality = judge_sets(*rated, cohorts, judges, SETTINGS)
    text = quality[quality["set_id"] == "set-0000"].set_index("image")["text"]
    assert min(text[0], text[2]) > max(text[1], text[3])  # images 0 and 2 show it, 1 and 3 an effusion
    assert quality.loc[quality["set_id"] == "set-0000", "mask"].isna().all()
    both = quality[quality["set_id"] == "set-0001"]
    assert both["mask"].between(0, 5).all() and both["text"].between(0, 5).all()
    assert quality.loc[quality["set_id"] == "set-0002", "text"].mean() > 3  # controls are real


def test_scores_are_quality_where_raters_have_no_nature(rated):
    quality = pd.DataFrame([(set_id, image, 1.4 * image, 5.0) for set_id in rated[0]["set_id"] for image in range(4)])
    quality.columns = ["set_id", "image", "text", "mask"]
    exact = SETTINGS | {"severity": 0.0, "noise": 0.0, "drift": 0.0}
    ratings = list(simulate(rated[0], assign(), quality, exact, 1))
    text = [rating for rating in ratings if rating.aspect == "text"]
    assert {(rating.image, rating.score) for rating in text} == {(0, 0), (1, 1), (2, 3), (3, 4)}  # 0, 1.4, 2.8, 4.2
    assert [rating.image for rating in text[:4]] == [2, 0, 3, 1]  # as on the screen
    masks = [rating for rating in ratings if rating.aspect == "mask"]
    assert {rating.set_id for rating in masks} == {"set-0001"} and {rating.score for rating in masks} == {5}
    assert len(ratings) == 2 * (4 * 4 + 4)


def test_ratings_depend_on_names_not_on_order(rated, judges, cohorts):
    quality = judge_sets(*rated, cohorts, judges, SETTINGS)
    one = list(simulate(rated[0], assign(), quality, SETTINGS, 1))
    assert one == list(simulate(rated[0].iloc[::-1], assign().iloc[::-1], quality.iloc[::-1], SETTINGS, 1))
    alone = list(simulate(rated[0], assign(raters=["b"]), quality, SETTINGS, 1))
    assert alone == [rating for rating in one if rating.rater == "b"]
    moved = {
        (r.rater, r.set_id, r.role, r.image, r.aspect): r.score
        for r in simulate(rated[0], assign(order=(0, 1, 2, 3)), quality, SETTINGS, 1)
    }
    assert moved == {(r.rater, r.set_id, r.role, r.image, r.aspect): r.score for r in one}
    assert one != list(simulate(rated[0], assign(), quality, SETTINGS, 2))


def test_severity_noise_and_drift_do_what_they_say():
    many = [f"set-{k:04d}" for k in range(300)]
    sets = pd.DataFrame({"set_id": many, "kind": "text"})
    quality = pd.DataFrame({"set_id": np.repeat(many, 4), "image": np.tile(range(4), 300), "text": 2.5, "mask": np.nan})
    rows = [(f"r{rater}", place, name, "own", "[0, 1, 2, 3]") for rater in range(8) for place, name in enumerate(many)]
    dealt = pd.DataFrame(rows, columns=["rater", "place", "set_id", "role", "order"])

    def scores(**nature):
        chosen = SETTINGS | {"severity": 0.0, "noise": 0.3, "drift": 0.0} | nature
        return pd.DataFrame(
            [(r.rater, r.place, r.score) for r in simulate(sets, dealt, quality, chosen, 1)],
            columns=["rater", "place", "score"],
        )

    calm, severe, drifting = scores(), scores(severity=0.5), scores(drift=2.0)
    assert calm.groupby("rater")["score"].mean().std() < 0.05 < 0.2 < severe.groupby("rater")["score"].mean().std()
    halves = drifting.assign(late=drifting["place"] >= 150).groupby(["rater", "late"])["score"].mean().unstack()
    assert (halves[True] - halves[False]).abs().max() > 0.5
    assert scores(noise=1.0)["score"].std() > calm["score"].std()


def test_the_log_is_read_back_and_is_the_same_again(tmp_path, rated):
    quality = pd.DataFrame([(set_id, image, 3.0, 3.0) for set_id in rated[0]["set_id"] for image in range(4)])
    quality.columns = ["set_id", "image", "text", "mask"]
    ratings = list(simulate(rated[0], assign(), quality, SETTINGS, 1))
    for name in ("one", "two"):
        write_simulated(RatingLog, tmp_path / name, ratings)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    latest, history, warnings = read_ratings(tmp_path / "one", set(rated[0]["set_id"]), {"a", "b"})
    assert len(latest) == len(history) == len(ratings) and not warnings
    assert set(history["session"]) == {"simulated-a", "simulated-b"} and history["time"].is_unique


def test_the_command_rates_a_phantom_study(tmp_path, cohorts, rated, capsys):
    sets, pool = rated
    sets.to_parquet(tmp_path / "sets.parquet")
    assign().to_parquet(tmp_path / "assignments.parquet")
    line = ["--sets", f"{tmp_path}/sets.parquet", "--assignments", f"{tmp_path}/assignments.parquet"]
    line += ["--pool", str(pool.folders[0]), "--cohorts", *(str(cohort.folders[0]) for cohort in cohorts)]
    line += ["--config", json.dumps(SETTINGS | {"judge": JUDGE}), "--seed", "1"]
    for name in ("one", "two"):
        command.main([*line, "--out", f"{tmp_path}/{name}.jsonl"])
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert re.search(r"'pneumothorax': \d\.\d+.*40 ratings of 2 simulated raters", capsys.readouterr().out, re.S)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"findings": {"dataset": "rsna", "splits": ["train"]}}, r"dataset = 'rsna': not among the cohorts given"),
        ({"masks": {"dataset": "candid", "splits": ["generator", "test"]}}, "test films judge the downstream models"),
        (
            {"findings": {"dataset": "mimic", "splits": ["train", "validate"]}},
            "of its films are in the sets, e.g. mimic-",
        ),
        ({"findings": {"dataset": "mimic", "splits": ["nowhere"]}}, r"no film of mimic in splits \['nowhere'\]"),
        ({"films": 12}, "can be told|shows on real films"),
    ],
)
def test_judges_that_cannot_or_must_not_be(change, complaint, cohorts, rated):
    with pytest.raises(InputError, match=complaint):
        learn_judges(cohorts, rated[0], JUDGE | change, 1)


def test_missing_images_and_strange_sets_are_named(cohorts, rated, judges):
    sets, pool = rated
    with pytest.raises(InputError, match=r"no image \[0, 1, 2, 3\] of set-0000, condition c9; sample it"):
        judge_sets(sets.assign(condition_id="c9"), pool, cohorts, judges, SETTINGS)
    with pytest.raises(InputError, match="set-0002: films not in cohort mimic, e.g. nobody"):
        judge_sets(sets.assign(films='["nobody"]'), pool, cohorts, judges, SETTINGS)
    with pytest.raises(InputError, match="set-0002: its films are of cohort 'rsna'"):
        judge_sets(sets.assign(dataset="rsna"), pool, cohorts, judges, SETTINGS)
    with pytest.raises(InputError, match="1 sets are not in the table of sets, e.g. set-0000"):
        list(simulate(sets.iloc[1:], assign(), pd.DataFrame(columns=["set_id", "image", "text", "mask"]), SETTINGS, 1))


def test_the_artefact_judge_takes_its_own_films_as_usual(cohorts):
    images = cohorts[0].images(slice(None))
    assert (ArtefactJudge(images)(images) > 0).mean() == pytest.approx(0.05, abs=0.02)
