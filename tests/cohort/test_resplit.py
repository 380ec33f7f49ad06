"""A cohort split anew is, byte for byte, the cohort that decoding its films again would give; and shares their pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.resplit import split_anew
from scripts.lib.core.errors import InputError
from scripts.prepare_cohort import main
from tests.cohort.test_prepare_cohort import config, contents, tree


def prepare(root: Path, out: Path, seed: int, **changes: Any) -> Path:
    prepare_cohort("demo", config(**changes), root, 16, seed, out)
    return out


@pytest.mark.parametrize(
    "changes",
    [{}, {"split": {"test": 0.33}}, {"structures": None, "split": {"generator": 3, "test": 1}}, {"labels": []}],
    ids=["generator", "test", "uneven", "no labels"],
)
def test_the_same_bytes_as_decoded_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    raw = tree(tmp_path / "raw", extra="f99,films/none.png,p9,1,,,\n")  # one film is quarantined
    one, two = (prepare(raw, tmp_path / f"seed-{seed}", seed, **changes) for seed in (1, 2))
    assert contents(one)["index.parquet"] != contents(two)["index.parquet"]
    assert split_anew(one, config(**changes), 16, 2, tmp_path / "anew")
    assert contents(tmp_path / "anew") == contents(two)
    assert (tmp_path / "anew" / "images.npy").samefile(one / "images.npy")


def test_a_given_split_stays_and_its_generator_films_are_drawn_anew(tmp_path: Path) -> None:
    raw = tree(tmp_path / "raw")
    table = (raw / "labels.csv").read_text().splitlines()
    rows = [line + ("test" if place >= 8 else "train") for place, line in enumerate(table[1:])]
    (raw / "labels.csv").write_text("\n".join([table[0], *rows]) + "\n")
    for name, split in (("plain", "given"), ("part", {"given": True, "generator": 0.5})):
        one, two = (prepare(raw, tmp_path / f"{name}-{seed}", seed, split=split) for seed in (1, 2))
        assert split_anew(one, config(split=split), 16, 2, tmp_path / f"{name}-anew")
        assert contents(tmp_path / f"{name}-anew") == contents(two)


def test_what_does_not_follow_from_the_index_is_decoded_again(tmp_path: Path) -> None:
    raw = tree(tmp_path / "raw")
    one, two = (prepare(raw, tmp_path / f"seed-{seed}", seed) for seed in (1, 2))
    meta = (one / "cohort.json").read_text().replace('"seed": 1', '"seed": 5')
    (one / "cohort.json").write_text(meta)
    assert not split_anew(one, config(), 16, 2, tmp_path / "anew")
    assert not (tmp_path / "anew").exists()
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(config()))
    words = f"--dataset demo --config {settings} --root {raw} --resolution 16 --seed 2 --decoded {one} --out {tmp_path}/anew"
    main(words.split())
    assert contents(tmp_path / "anew") == contents(two)


def test_a_cohort_of_other_settings_or_none_is_refused(tmp_path: Path) -> None:
    one = prepare(tree(tmp_path / "raw"), tmp_path / "seed-1", 1)
    with pytest.raises(InputError, match=r"other settings \(split, resolution\)"):
        split_anew(one, config(split={"test": 2}), 32, 2, tmp_path / "anew")
    with pytest.raises(InputError, match="expected a cohort folder"):
        split_anew(tmp_path / "nowhere", config(), 16, 2, tmp_path / "anew")
