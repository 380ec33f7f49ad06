"""Plan a phantom dataset: who is filmed how often, with which findings; quotas make the shares exact up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import derive_seed, rng
from scripts.lib.phantom.settings import settings_of
from scripts.lib.phantom.spec import FINDINGS, ONE_SIDED, SIDES, FilmSpec, Finding, Patient
from scripts.lib.phantom.together import plan_together

SPLITS = ("train", "validate", "test")
EMPHYSEMA = 0.3  # share of patients


def draw_patient(number: int, stream: np.random.Generator) -> Patient:
    """Return a random adult; the build varies around an average chest, wider and fatter or slimmer."""
    sex = "F" if stream.random() < 0.47 else "M"
    age = int(np.clip(stream.normal(58, 17), 18, 90))
    old = (age - 18) / 72.0
    return Patient(
        number=number,
        sex=sex,
        age=age,
        lung_width=float(np.clip(stream.normal(0.67 if sex == "M" else 0.64, 0.03), 0.57, 0.74)),
        lung_top=float(stream.uniform(-0.78, -0.68)),
        lung_base=float(np.clip(stream.normal(0.50, 0.035), 0.42, 0.58)),
        apex_power=float(stream.uniform(2.1, 3.0)),
        dome=float(stream.uniform(0.11, 0.17)),
        heart_ratio=float(np.clip(stream.normal(0.45, 0.022), 0.39, 0.50)),
        heart_tilt=float(stream.uniform(0.45, 0.75)),
        fat=float(stream.beta(2.0, 2.5)),
        breast=float(stream.uniform(0.4, 1.0)) if sex == "F" else 0.0,
        rib_spacing=float(stream.uniform(0.150, 0.180)),
        rib_phase=float(stream.random()),
        rib_slope=float(stream.uniform(0.30, 0.50)),
        aorta=float(np.clip(0.2 + 0.6 * old + stream.normal(0, 0.15), 0.0, 1.0)),
        shoulder=float(stream.uniform(0.85, 1.0)),
        emphysema=float(stream.uniform(0.2, 1.0)) if stream.random() < EMPHYSEMA else 0.0,
    )


def draw_child(number: int, stream: np.random.Generator, ages: tuple[int, int]) -> Patient:
    """Return a random child of `ages` in years: a round, short chest, flat ribs, a large heart, a thymus until about five."""
    age = int(stream.integers(ages[0], ages[1] + 1))
    small = 1.0 - min(age, 10) / 10.0
    return Patient(
        number=number,
        sex="F" if stream.random() < 0.45 else "M",
        age=age,
        lung_width=float(np.clip(stream.normal(0.66, 0.025), 0.60, 0.72)),
        lung_top=float(stream.uniform(-0.70, -0.64) + 0.10 * small),
        lung_base=float(np.clip(stream.normal(0.44, 0.03), 0.37, 0.50)),
        apex_power=float(stream.uniform(1.7, 2.2)),
        dome=float(stream.uniform(0.13, 0.18)),
        heart_ratio=float(np.clip(stream.normal(0.48 + 0.04 * small, 0.02), 0.44, 0.56)),
        heart_tilt=float(stream.uniform(0.30, 0.55)),
        fat=float(stream.beta(2.0, 2.5)),
        breast=0.0,
        rib_spacing=float(stream.uniform(0.125, 0.145)),
        rib_phase=float(stream.random()),
        rib_slope=float(stream.uniform(0.08, 0.20)),
        aorta=0.1,
        shoulder=float(stream.uniform(0.85, 1.0)),
        thymus=float(stream.uniform(0.3, 1.0)) if age < 5 and stream.random() < 0.75 else 0.0,
    )


def quota(shares: dict[str, float], count: int, stream: np.random.Generator) -> list[str]:
    """Return `count` shuffled names in proportion to `shares` (largest remainder); what is missing to 1 is ''."""
    names = ["", *shares]
    exact = np.array([max(0.0, 1.0 - sum(shares.values())), *shares.values()]) * count
    whole = np.floor(exact + 1e-9).astype(int)
    for k in np.argsort(-(exact - whole), kind="stable")[: count - whole.sum()]:
        whole[k] += 1
    drawn = [name for name, times in zip(names, whole, strict=True) for _ in range(times)]
    return [drawn[k] for k in stream.permutation(count)]


def draw_finding(name: str, stream: np.random.Generator, side: str | None = None) -> Finding:
    """Return a finding of random severity, on `side` or a random one where it has a side."""
    if name not in ONE_SIDED:
        side = None
    elif side is None:
        side = SIDES[int(stream.integers(2))]
    return Finding(name, side, round(float(stream.uniform(0.15, 1.0)), 4))


def draw_findings(main: str, settings: dict[str, Any], stream: np.random.Generator) -> tuple[Finding, ...]:
    """Return the findings of one visit: the main one, now and then a second, and what goes with a pneumothorax."""
    if not main:
        return ()
    drawn = [draw_finding(main, stream)]
    others = [name for name in settings["prevalence"] if name not in {main, "chest tube", "rib fracture"}]
    if others and stream.random() < settings["double"]:
        weights = np.array([settings["prevalence"][name] for name in others])
        drawn.append(draw_finding(others[stream.choice(len(others), p=weights / weights.sum())], stream))
    air = next((finding for finding in drawn if finding.name == "pneumothorax"), None)
    for name, share in settings["accompany"].items():
        if air and stream.random() < share and name != main:
            drawn.append(draw_finding(name, stream, air.side))
    return tuple(sorted(drawn, key=lambda finding: FINDINGS.index(finding.name)))


def plan_patients(
    numbers: range, split: str, settings: dict[str, Any], name: str, seed: int, together: bool = False
) -> list[FilmSpec]:
    """Plan all films of the patients `numbers`, in order of patient, visit and view.

    `together`: several findings a film in ChestX-Det's proportions (together.py), in place of the settings' `prevalence`.
    """
    stream = rng(seed, "phantom", name, split)
    low, high = settings["films_per_patient" if split == "train" else "test_films_per_patient"]
    visits = [int(stream.integers(low, high + 1)) for _ in numbers]
    shares = settings["prevalence"] if split == "train" else settings["test_prevalence"] or settings["prevalence"]
    count_films = sum(visits)
    planned = iter(plan_together(count_films, stream) if together else [])
    mains = iter([] if together else quota(shares, count_films, stream))
    films = []
    for number, count in zip(numbers, visits, strict=True):
        draws = rng(seed, "phantom", name, "patient", number)
        patient = (
            draw_child(number, draws, tuple(settings["ages"])) if settings["ages"] else draw_patient(number, draws)
        )
        for study in range(1, count + 1):
            shown = next(planned) if together else draw_findings(next(mains), settings, draws)
            views = ["AP" if draws.random() < settings["ap"] else "PA"]
            if draws.random() < settings["lateral"]:
                views.append("LATERAL")
            for k, view in enumerate(views, start=1):
                film_seed = derive_seed(seed, "phantom", name, number, study, k)
                films.append(FilmSpec(patient, shown, view, study, k, split, film_seed))
    return films


def plan_films(format: str, config: dict[str, Any], seed: int, name: str | None = None) -> list[FilmSpec]:
    """Return every film of a dataset in `format`; `config` overrides the format's defaults, `name` parts the streams."""
    settings = settings_of(format, config)
    counts = (settings["patients"], settings["validate_patients"], settings["test_patients"])
    films, first = [], 1
    for split, count in zip(SPLITS, counts, strict=True):
        films += plan_patients(
            range(first, first + count), split, settings, name or format, seed, format == "chestxdet"
        )
        first += count
    if not films:
        raise InputError(
            f"phantom {format}: patients, validate_patients and test_patients are all 0, so there is no film"
        )
    return films


def film_stream(spec: FilmSpec) -> np.random.Generator:
    """Return the random stream a film is drawn with."""
    return np.random.default_rng(spec.seed)
