"""Planned datasets: shares by quota, patients apart, settings checked, reports that name what is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.phantom.reports import as_note, as_text, write_report
from scripts.lib.phantom.settings import DEFAULTS, settings_of
from scripts.lib.phantom.spec import FINDINGS, FilmSpec, Finding
from scripts.lib.phantom.study import draw_patient, plan_films, quota


def test_quota_by_hand() -> None:
    # 10 films: 0.25 -> 2.5, 0.5 -> 5, the rest 2.5; the one left over goes to the first of the largest remainders (rest)
    drawn = Counter(quota({"a": 0.25, "b": 0.5}, 10, np.random.default_rng(0)))
    assert drawn == {"": 3, "a": 2, "b": 5}
    assert quota({}, 3, np.random.default_rng(0)) == ["", "", ""]


@pytest.mark.parametrize("format", sorted(DEFAULTS))
def test_default_studies_keep_their_shares(format: str) -> None:
    films = plan_films(format, {}, seed=3)
    visits = {(film.patient.number, film.study): film for film in films if film.split == "train"}
    prevalence = settings_of(format, {})["prevalence"]
    for name, share in prevalence.items():
        found = np.mean([name in film.names for film in visits.values()])
        assert found >= share - 0.01
    assert sum(not film.findings for film in visits.values()) > 0
    # Once each; of ChestX-Det's films once on each side.
    found_once = [[(one.name, one.side if format == "chestxdet" else "") for one in film.findings] for film in films]
    assert all(len(set(found)) == len(found) for found in found_once)
    assert len({film.seed for film in films}) == len(films)


def test_the_foundation_cohort_is_the_largest_and_covers_all_findings() -> None:
    counts = {format: len(plan_films(format, {}, seed=1)) for format in DEFAULTS}
    assert counts["mimic"] > 1.5 * max(count for format, count in counts.items() if format != "mimic")
    films = plan_films("mimic", {}, seed=1)
    assert {name for film in films for name in film.names} == set(FINDINGS)
    assert np.mean([not film.findings for film in films]) == pytest.approx(0.2, abs=0.02)


def test_plans_repeat_and_differ_by_seed_and_name() -> None:
    config = {"patients": 20}
    assert plan_films("candid", config, 1) == plan_films("candid", config, 1)
    assert plan_films("candid", config, 1) != plan_films("candid", config, 2)
    assert plan_films("candid", config, 1, "a") != plan_films("candid", config, 1, "b")


def test_splits_have_their_own_patients_and_laterals_follow_frontals() -> None:
    films = plan_films("mimic", {"patients": 30, "validate_patients": 5, "test_patients": 6, "lateral": 1.0}, 1)
    by_split = {
        split: {film.patient.number for film in films if film.split == split} for split in ("train", "validate", "test")
    }
    assert [len(numbers) for numbers in by_split.values()] == [30, 5, 6]
    assert len(set.union(*by_split.values())) == 41
    assert [film.view == "LATERAL" for film in films] == [film.view_number == 2 for film in films]
    for first, second in zip(films[::2], films[1::2], strict=True):
        assert first.findings == second.findings


def test_tubes_and_fractures_accompany_a_pneumothorax_on_its_side() -> None:
    config = {
        "patients": 60,
        "prevalence": {"pneumothorax": 1.0},
        "accompany": {"chest_tube": 1.0, "rib_fracture": 0.0},
    }
    for film in plan_films("siim", config, 1):
        assert film.names == ("pneumothorax", "chest tube")
        assert film.findings[0].side == film.findings[1].side


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"prevalance": {}}, "unknown key 'prevalance', did you mean 'prevalence'"),
        ({"patients": -1}, "patients is -1"),
        ({"patients": 2.5}, "a whole number"),
        ({"size": 16}, "from 32 to 2048"),
        ({"double": 1.5}, "from 0 to 1"),
        ({"odd_files": float("nan")}, "from 0 to 1"),
        ({"uncertain": True}, "a number"),
        ({"films_per_patient": [3, 1]}, "least <= most"),
        ({"films_per_patient": 2}, "least <= most"),
        ({"prevalence": {"cough": 0.1}}, "names 'cough', expected one of atelectasis"),
        ({"prevalence": {"pneumonia": 0.7, "edema": 0.4}}, "adds up to 1.100"),
        ({"prevalence": [0.5]}, "mapping"),
        ({"accompany": {"edema": 0.5}}, "expected one of chest_tube, rib_fracture"),
        ({"patients": 0, "test_patients": 0}, "there is no film"),
    ],
)
def test_wrong_settings_are_named(config: dict, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        plan_films("rsna", config, 1)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(InputError, match="'padchest' is unknown, expected one of candid"):
        settings_of("padchest", {})


def test_spoken_and_written_names_are_the_same_setting() -> None:
    written = settings_of("siim", {"prevalence": {"pleural_effusion": 0.2}})
    assert written == settings_of("siim", {"prevalence": {"pleural effusion": 0.2}})


def spec(*findings: Finding) -> FilmSpec:
    return FilmSpec(draw_patient(1, np.random.default_rng(1)), findings, "PA", 1, 1, "train", 1)


@pytest.mark.parametrize("name", FINDINGS)
def test_impressions_are_often_the_bare_word(name: str) -> None:
    side = None if name in {"cardiomegaly", "edema"} else "right"
    stream = np.random.default_rng(0)
    drawn = Counter(write_report(spec(Finding(name, side, 0.9)), stream).impression for _ in range(300))
    assert drawn[f"{name.capitalize()}."] > 100
    assert drawn[f"Right {name}." if side else f"{name.capitalize()}."] > 80
    assert all(name in text.lower() for text in drawn)
    assert not any("left" in text.lower() for text in drawn)


def test_reports_of_normal_and_of_several_findings() -> None:
    stream = np.random.default_rng(0)
    normal = Counter(write_report(spec(), stream).impression for _ in range(200))
    assert normal["Normal."] > 60
    assert normal["No acute cardiopulmonary process."] > 30
    both = spec(Finding("edema", None, 0.5), Finding("pneumothorax", "left", 0.1))
    for _ in range(20):
        report = write_report(both, stream)
        assert "edema" in report.impression.lower()
        assert "pneumothorax" in report.impression.lower()
        assert "small left pneumothorax" in report.findings
        assert "No pneumothorax" not in report.findings


def test_report_forms() -> None:
    report = write_report(spec(), np.random.default_rng(1))
    text = as_text(report)
    assert text.index("FINDINGS:") < text.index("IMPRESSION:")
    assert text.rstrip().endswith(report.impression)
    notes = {as_note(report, np.random.default_rng(k)) for k in range(30)}
    assert any("[DATE]" in note for note in notes)
    assert all(f"Impression: {report.impression}" in note and "\n" not in note for note in notes)
