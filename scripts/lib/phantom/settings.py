"""The settings of a phantom dataset: defaults by format, and the check of what a study overrides."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.phantom.spec import FINDINGS

COMMON: dict[str, Any] = {
    "patients": 100,
    "validate_patients": 0,
    "test_patients": 0,
    "films_per_patient": [1, 1],
    "test_films_per_patient": [1, 1],
    "size": 128,
    "prevalence": {},
    "test_prevalence": {},
    "ages": [],
    "side": 28,
    "shortcut": 0.0,
    "double": 0.0,
    "accompany": {},
    "ap": 0.35,
    "lateral": 0.0,
    "uncertain": 0.0,
    "odd_files": 0.02,
    "missing_files": 2,
    "unlisted_files": 2,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "candid": {
        "patients": 1140,
        "films_per_patient": [1, 2],
        "prevalence": {
            "pneumothorax": 0.50,
            "rib_fracture": 0.07,
            "chest_tube": 0.05,
            "pleural_effusion": 0.06,
            "cardiomegaly": 0.05,
            "consolidation": 0.04,
        },
        "accompany": {"chest_tube": 0.35, "rib_fracture": 0.20},
    },
    "siim": {
        "patients": 620,
        "test_patients": 8,
        "prevalence": {"pneumothorax": 0.85, "pleural_effusion": 0.03, "consolidation": 0.03, "cardiomegaly": 0.03},
        "accompany": {"chest_tube": 0.20, "rib_fracture": 0.05},
    },
    "rsna": {
        "patients": 800,
        "test_patients": 8,
        "ap": 0.45,
        "prevalence": {
            "pneumonia": 0.24,
            "cardiomegaly": 0.12,
            "pleural_effusion": 0.12,
            "edema": 0.08,
            "atelectasis": 0.08,
            "pneumothorax": 0.04,
        },
    },
    "chexpert": {
        "patients": 410,
        "test_patients": 215,
        "films_per_patient": [1, 3],
        "ap": 0.60,
        "lateral": 0.12,
        "uncertain": 0.06,
        "double": 0.20,
        "prevalence": {
            "atelectasis": 0.15,
            "cardiomegaly": 0.12,
            "consolidation": 0.10,
            "edema": 0.18,
            "pleural_effusion": 0.23,
            "pneumothorax": 0.04,
            "pneumonia": 0.03,
        },
    },
    "mimic": {
        "patients": 1400,
        "validate_patients": 100,
        "test_patients": 100,
        "films_per_patient": [1, 3],
        "ap": 0.40,
        "lateral": 0.05,
        "uncertain": 0.04,
        "double": 0.08,
        "accompany": {"chest_tube": 0.30, "rib_fracture": 0.10},
        "prevalence": {
            "pneumothorax": 0.14,
            "pneumonia": 0.13,
            "pleural_effusion": 0.12,
            "cardiomegaly": 0.10,
            "consolidation": 0.09,
            "edema": 0.09,
            "atelectasis": 0.09,
            "rib_fracture": 0.03,
            "chest_tube": 0.02,
        },
    },
    "medmnist": {
        "patients": 900,
        "validate_patients": 100,
        "test_patients": 250,
        "size": 128,
        "ages": [1, 5],
        "ap": 1.0,
        "prevalence": {"pneumonia": 0.742},
        "test_prevalence": {"pneumonia": 0.625},
        "missing_files": 0,
        "unlisted_files": 0,
    },
    "vindr-pcxr": {
        "patients": 400,
        "test_patients": 200,
        "ages": [0, 9],
        "ap": 0.0,
        "prevalence": {"pneumonia": 0.25, "cardiomegaly": 0.05, "pleural_effusion": 0.05},
    },
    # Which findings its films show together: together.py.
    "chestxdet": {"patients": 1500, "test_patients": 280, "ap": 0.0},
}
SHARES = ("double", "ap", "lateral", "uncertain", "odd_files", "shortcut")
SIDES = (28, 64, 128, 224)  # of the films of MedMNIST
COMPANIONS = ("chest tube", "rib fracture")
COUNTS = ("patients", "validate_patients", "test_patients", "missing_files", "unlisted_files")


def settings_of(format: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the full settings of `format`: common defaults, the format's own, then `config`; findings by spoken name."""
    if format not in DEFAULTS:
        raise InputError(f"phantom format {format!r} is unknown, expected one of {', '.join(DEFAULTS)}")
    for key in config:
        if key not in COMMON:
            near = get_close_matches(key, COMMON, n=1)
            raise InputError(
                f"phantom {format}: unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else "")
            )
    settings = {**COMMON, **DEFAULTS[format], **config}
    for key in SHARES:
        _check_number(format, key, settings[key], 0, 1)
    for key in COUNTS:
        _check_number(format, key, settings[key], 0, 1_000_000, whole=True)
    _check_number(format, "size", settings["size"], 32, 2048, whole=True)
    for key in ("films_per_patient", "test_films_per_patient"):
        _check_films(format, key, settings[key])
    _check_child(format, settings)
    for key in ("prevalence", "test_prevalence", "accompany"):
        settings[key] = _findings(format, key, settings[key], COMPANIONS if key == "accompany" else FINDINGS)
        if key != "accompany" and sum(settings[key].values()) > 1 + 1e-9:
            raise InputError(
                f"phantom {format}: {key} adds up to {sum(settings[key].values()):.3f}, expected at most 1"
            )
    return settings


def _check_number(format: str, key: str, value: Any, low: float, high: float, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise InputError(f"phantom {format}: {key} is {value!r}, expected {kind} from {low} to {high}")


def _check_child(format: str, settings: dict[str, Any]) -> None:
    """Check the ages of children, and the side of the films of one file."""
    ages = settings["ages"]
    whole = isinstance(ages, (list, tuple)) and all(type(age) is int for age in ages)
    if not whole or len(ages) not in (0, 2) or (len(ages) == 2 and not 0 <= ages[0] <= ages[1] <= 17):
        raise InputError(
            f"phantom {format}: ages is {ages!r}, expected [least, most] from 0 to 17 years, or [] for adults"
        )
    if settings["side"] not in SIDES:
        raise InputError(f"phantom {format}: side is {settings['side']!r}, expected one of {SIDES}")


def _check_films(format: str, key: str, value: Any) -> None:
    ok = isinstance(value, (list, tuple)) and len(value) == 2 and all(type(n) is int for n in value)
    if not ok or not 1 <= value[0] <= value[1]:
        raise InputError(f"phantom {format}: {key} is {value!r}, expected [least, most] with 1 <= least <= most")


def _findings(format: str, key: str, shares: Any, names: tuple[str, ...]) -> dict[str, float]:
    if not isinstance(shares, dict):
        raise InputError(f"phantom {format}: {key} is {shares!r}, expected a mapping of finding to share")
    spoken = {}
    for name, share in shares.items():
        plain = str(name).replace("_", " ")
        if plain not in names:
            allowed = ", ".join(finding.replace(" ", "_") for finding in names)
            raise InputError(f"phantom {format}: {key} names {name!r}, expected one of {allowed}")
        _check_number(format, f"{key}.{name}", share, 0, 1)
        spoken[plain] = float(share)
    return spoken
