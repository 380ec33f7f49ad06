"""The leakage firewall: each kind of leak is planted 20 times and found 20 times, and what is by design gives no hit."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.lib.cohort.learned import not_known
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.leakage import COLUMNS, MOST_SHOWN, Store, check_arm, stopping_line
from tests.helpers.leakage_films import CHANGES, SETTINGS, learned, phantom, store

PLANTED = 20


@pytest.fixture(scope="module")
def stores() -> dict[str, Store]:
    """A tested dataset of 24 test and 6 training films, and a cohort of 26 others that taught."""
    own = [phantom(number) for number in range(30)]
    return {
        "mine": store(own, "mine", ["test"] * 24 + ["train"] * 6),
        "other": store([phantom(number) for number in range(100, 126)], "other"),
    }


def check(stores: dict[str, Store], films: pd.DataFrame | None = None, **changes: Any) -> pd.DataFrame:
    films = learned({"other": stores["other"]}) if films is None else films
    return check_arm("mine", "original", stores, films, SETTINGS | changes)


def hits(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["kind"] != "all"]


def planted(stores: dict[str, Store], column: str, values: list[str]) -> dict[str, Store]:
    """Return the stores with these values in the first rows of the films that taught."""
    films = stores["other"].films.copy()
    films.loc[: len(values) - 1, column] = values
    return stores | {"other": Store(films, stores["other"].pictures)}


def assert_found(table: pd.DataFrame, kind: str, role: str = "base") -> None:
    found = hits(table)
    assert set(found["kind"]) == {kind} and set(found["role"]) == {role} and set(found["verdict"]) == {"stops"}
    assert sorted(found["image_id"]) == sorted(f"mine-{number}" for number in range(PLANTED))
    head = table[(table["kind"] == "all") & (table["role"] == role)].iloc[0]
    assert (head["verdict"], head["hits"], head["tested"]) == ("stops", PLANTED, 24)
    assert head["note"].split("; ")[0] == f"{kind}: {PLANTED}"
    assert stopping_line(table, "x.csv").startswith(
        "mine, arm original: test films are not new to what is tested: 20 of 24"
    )


def test_what_is_apart_is_clean(stores: dict[str, Store]) -> None:
    table = check(stores)
    assert list(table.columns) == COLUMNS
    heads = (
        table[["split", "role", "learned_dataset", "kind", "verdict", "tested", "learned", "hits"]].to_numpy().tolist()
    )
    assert heads == [
        ["test", "base", "other", "all", "clean", 24, 26, 0],
        ["test", "training", "mine", "all", "clean", 24, 6, 0],
    ]
    assert stopping_line(table, "x.csv") == ""


def test_the_split_of_a_generator_is_clean_by_design(stores: dict[str, Store]) -> None:
    # The generator learned from films of the tested dataset, from other patients of a split of their own.
    apart = store([phantom(number) for number in range(40, 60)], "generator", "generator")
    films = pd.concat([stores["mine"].films, apart.films], ignore_index=True)
    both = Store(films, np.concatenate([stores["mine"].pictures, apart.pictures]))
    table = check(stores | {"mine": both}, learned({"mine": apart}, "controlnet"))
    assert set(table["verdict"]) == {"clean"} and hits(table).empty


def test_the_same_identifier(stores: dict[str, Store]) -> None:
    films = learned({"mine": stores["other"]})
    films.loc[: PLANTED - 1, "image_id"] = [f"mine-{number}" for number in range(PLANTED)]
    assert_found(check(stores, films), "id")
    # In another dataset the same identifier says nothing.
    assert hits(check(stores, films.assign(dataset="other"))).empty


@pytest.mark.parametrize("form", ["zeros", "case", "blanks", "decimal"])
def test_identifiers_that_differ_in_form_only(stores: dict[str, Store], form: str) -> None:
    films = learned({"mine": stores["other"]})
    written = {
        "zeros": [f"mine-00{number}" for number in range(PLANTED)],
        "case": [f"MINE-{number}" for number in range(PLANTED)],
        "blanks": [f" mine -{number} " for number in range(PLANTED)],
        "decimal": [f"{number}.0" for number in range(1, PLANTED + 1)],
    }[form]
    tested = stores
    if form == "decimal":
        own = stores["mine"].films.copy()
        own.loc[: PLANTED - 1, "image_id"] = [str(number) for number in range(1, PLANTED + 1)]
        tested = stores | {"mine": Store(own, stores["mine"].pictures)}
    films.loc[: PLANTED - 1, "image_id"] = written
    found = hits(check(tested, films))
    assert len(found) == PLANTED and set(found["kind"]) == {"id form"}


def test_patients(stores: dict[str, Store]) -> None:
    films = learned({"mine": stores["other"]})
    films.loc[: PLANTED - 1, "patient_id"] = [f"mine-p{number}" for number in range(PLANTED)]
    assert_found(check(stores, films), "patient")
    films.loc[: PLANTED - 1, "patient_id"] = [f"mine-P{number:04d}" for number in range(PLANTED)]
    assert_found(check(stores, films), "patient form")


def test_training_films_that_an_arm_adds_are_held_against_test_films_of_their_own_dataset(
    stores: dict[str, Store],
) -> None:
    # 26 films of the other dataset, whose last 6 are for testing, and among its 20 training films under other names. A film of the
    # tested dataset that a trial may set aside is there as well.
    films = stores["other"].films.assign(split=["train"] * 20 + ["test"] * 6)
    pictures, own = stores["other"].pictures.copy(), stores["mine"].films.copy()
    pictures[20:] = pictures[:6]
    films.loc[20:, "sha256"], own.loc[24, "sha256"] = films["sha256"][:6].to_numpy(), films["sha256"][10]
    both = {"mine": Store(own, stores["mine"].pictures), "other": Store(films, pictures)}
    none, settings = learned({"other": stores["other"]}).iloc[:0], {"external": ["other"], "tuning": True}
    table = check(both, none, **settings, added=["other"])
    found = hits(table).query("verdict == 'stops'")
    assert set(found["split"]) == {"external"}
    assert found["learned_image_id"].tolist() == [f"other-{number}" for number in range(6)]
    line = stopping_line(table, "x.csv")
    assert line.startswith(
        "mine, arm original: test films are not new to what is tested: 6 of 6 among 20 films of other"
    )
    assert hits(table).query("verdict == 'told'")[["split", "image_id"]].to_numpy().tolist() == [["tuning", "mine-24"]]
    # An arm that adds nothing of them has not learned from them.
    assert hits(check(both, none, **settings)).empty


def test_composed_and_decomposed_letters_are_one_patient(stores: dict[str, Store]) -> None:
    own, films = stores["mine"].films.copy(), learned({"mine": stores["other"]})
    own.loc[: PLANTED - 1, "patient_id"] = [unicodedata.normalize("NFC", f"Mélanie {n}") for n in range(PLANTED)]
    films.loc[: PLANTED - 1, "patient_id"] = [unicodedata.normalize("NFD", f"Mélanie {n}") for n in range(PLANTED)]
    assert_found(check(stores | {"mine": Store(own, stores["mine"].pictures)}, films), "patient form")


def test_the_same_pixels_in_another_dataset(stores: dict[str, Store]) -> None:
    leaked = planted(stores, "sha256", stores["mine"].films["sha256"].tolist()[:PLANTED])
    assert_found(check(leaked), "pixels")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_near_duplicates(stores: dict[str, Store], change: Any) -> None:
    copies = [change(phantom(number)) for number in range(PLANTED)]
    taught = store([*copies, *(phantom(number) for number in range(100, 106))], "other")
    table = check(stores | {"other": taught})
    assert_found(table, "near-duplicate")
    assert hits(table)["correlation"].min() >= SETTINGS["least_correlation"]
    assert [name.removeprefix("other-") for name in hits(table)["learned_image_id"]] == [
        name.removeprefix("mine-") for name in hits(table)["image_id"]
    ]


def test_copies_in_the_training_split_itself(stores: dict[str, Store]) -> None:
    films = [phantom(number) for number in range(24)] + [CHANGES["mirrored"](phantom(n)) for n in range(PLANTED)]
    own = store(films, "mine", ["test"] * 24 + ["train"] * PLANTED)
    assert_found(check({"mine": own}, learned({"x": own}).iloc[:0]), "near-duplicate", "training")


def links_table(tmp_path: Path, films: list[tuple[str, str]]) -> str:
    path = tmp_path / "links.csv"
    path.write_text("image_id,patient_id\n" + "".join(f"{film},{patient}\n" for film, patient in films))
    return str(path)


def test_a_person_of_two_datasets_by_a_table(stores: dict[str, Store], tmp_path: Path) -> None:
    # The table gives the tested films numbers of the register nih; patients of the other dataset have such numbers.
    other = planted(stores, "patient_id", [f"{number:08d}" for number in range(1, PLANTED + 1)])
    table = links_table(tmp_path, [(f"mine-{number}", str(number + 1)) for number in range(24)])
    links = [{"dataset": "mine", "to": "nih", "table": table}, {"dataset": "other", "to": "nih"}]
    assert_found(check(other, links=links), "person")
    assert hits(check(other, links=links[:1])).empty
    # A dataset that is the register itself needs no entry.
    assert_found(check(other, links=[{"dataset": "mine", "to": "other", "table": table}]), "person")


def test_a_person_by_rsnas_mappings(stores: dict[str, Store], tmp_path: Path) -> None:
    import json

    other = planted(stores, "patient_id", [f"{number:08d}" for number in range(1, PLANTED + 1)])
    entries = [{"subset_img_id": f"mine-{n}", "img_id": f"{n + 1:08d}_000.png"} for n in range(24)]
    (tmp_path / "mappings.json").write_text(json.dumps(entries))
    link = {"dataset": "mine", "to": "other", "table": str(tmp_path / "mappings.json")}
    assert_found(check(other, links=[link]), "person")


def test_a_table_of_links_without_partner_is_refused_and_gaps_are_said(
    stores: dict[str, Store], tmp_path: Path
) -> None:
    strangers = links_table(tmp_path, [("elsewhere-1", "7")])
    with pytest.raises(InputError, match=r"links.csv: names none of 30 films of mine, e.g. 'mine-0'.*leakage.links"):
        check(stores, links=[{"dataset": "mine", "to": "nih", "table": strangers}])
    partly = links_table(tmp_path, [(f"mine-{number}", "7") for number in range(20)] + [("mine-24", "9")])
    table = check(stores, links=[{"dataset": "mine", "to": "nih", "table": partly}])
    assert "does not name 9 of 30 films of mine" in table["note"].iloc[0]
    with pytest.raises(InputError, match="nothing.csv"):
        check(stores, links=[{"dataset": "mine", "to": "nih", "table": str(tmp_path / "nothing.csv")}])


def test_missing_identifiers_equal_nothing(stores: dict[str, Store]) -> None:
    own, other = (stores[name].films.copy() for name in ("mine", "other"))
    own["patient_id"], other["patient_id"] = pd.NA, pd.NA
    own.loc[3, "sha256"] = other.loc[3, "sha256"] = pd.NA
    own.loc[4, "patient_id"] = other.loc[4, "patient_id"] = " "
    nameless = {"mine": Store(own, stores["mine"].pictures), "other": Store(other, stores["other"].pictures)}
    table = check(nameless, learned({"mine": nameless["other"]}))
    assert hits(table).empty
    assert "23 tested films have no patient" in table["note"].iloc[0] and "25 learned films" in table["note"].iloc[0]


def test_a_teacher_without_a_list_is_never_clean(stores: dict[str, Store]) -> None:
    films = pd.concat([not_known("base"), learned({"other": stores["other"]}, "controlnet")], ignore_index=True)
    table = check(stores, films)
    assert dict(zip(table["role"], table["verdict"])) == {
        "base": "not known",
        "controlnet": "clean",
        "training": "clean",
    }
    unknown = table[table["role"] == "base"].iloc[0]
    assert "not known" in unknown["note"] and pd.isna(unknown["hits"]) and pd.isna(unknown["learned"])
    assert stopping_line(table, "x.csv") == ""


def test_films_without_pictures_are_counted(stores: dict[str, Store]) -> None:
    table = check({"mine": stores["mine"]}, learned({"other": stores["other"]}))
    assert "no pictures of 26 of its films here" in table["note"].iloc[0]


@pytest.mark.parametrize("word", ["patient", "other", "mine", "all of them"])
def test_what_is_allowed_passes_and_the_table_says_so(stores: dict[str, Store], word: str) -> None:
    films = learned({"other": stores["other"]})
    films["dataset"] = "mine"
    films.loc[:2, "patient_id"] = [f"mine-p{number}" for number in range(3)]
    allow = [f"mine-{number}" for number in range(3)] if word == "all of them" else [word]
    table = check(stores, films, allow=allow)
    if word == "other":  # the list says that these films are of `mine`
        assert set(hits(table)["verdict"]) == {"stops"}
        return
    assert set(hits(table)["verdict"]) == {"allowed"} and set(hits(table)["note"]) == {"named in leakage.allow"}
    assert stopping_line(table, "x.csv") == ""
    assert check(stores, films, allow=["mine-0"])["verdict"].tolist().count("stops") == 3  # the head and two films


def test_hits_among_tuning_films_are_told_and_do_not_stop(stores: dict[str, Store]) -> None:
    # Trials set aside training films; that a model has learned from them is no secret of the test.
    table = check(stores, learned({"mine": stores["mine"]}).iloc[24:], tuning=True)
    tuning, test = table[table["split"] == "tuning"], table[table["split"] == "test"]
    assert set(hits(tuning)["verdict"]) == {"told"} and len(hits(tuning)) == 6
    assert hits(test).empty and stopping_line(table, "x.csv") == ""
    assert set(check(stores, learned({"mine": stores["mine"]}).iloc[24:])["split"]) == {"test"}


def test_test_films_of_another_cohort_count_like_the_own(stores: dict[str, Store]) -> None:
    away = store([CHANGES["mirrored"](phantom(100)), CHANGES["mirrored"](phantom(24)), phantom(200)], "away", "test")
    table = check(stores | {"away": away}, external=["away"])
    found = hits(table)[["split", "tested_dataset", "role", "image_id", "learned_image_id", "verdict"]]
    assert found.to_numpy().tolist() == [
        ["external", "away", "base", "away-0", "other-0", "stops"],
        ["external", "away", "training", "away-1", "mine-24", "stops"],
    ]


def test_order_and_repetition_change_no_byte(stores: dict[str, Store], tmp_path: Path) -> None:
    copies = [CHANGES["mirrored"](phantom(number)) for number in range(5)]
    stores["other"] = store([*copies, *(phantom(number) for number in range(100, 120))], "other")
    films = learned({"other": stores["other"]})
    before = check(stores, films)
    turned = {}
    for name, one in stores.items():
        order = np.random.default_rng(3).permutation(len(one.films))
        turned[name] = Store(one.films.iloc[order].reset_index(drop=True), one.pictures[order])
    again = check(turned, pd.concat([films, films]).sample(frac=1, random_state=1, ignore_index=True))
    assert before.to_csv() == again.to_csv()


def test_long_lists_are_cut_short_and_say_so(stores: dict[str, Store]) -> None:
    count = MOST_SHOWN + 7
    films = pd.concat([stores["mine"].films.iloc[:1]] * count, ignore_index=True)
    films["image_id"] = [f"many-{number}" for number in range(count)]
    many = Store(films, np.repeat(stores["mine"].pictures[:1], count, axis=0))
    table = check_arm("many", "real", {"many": many}, learned({"many": many}).iloc[:1], SETTINGS)
    assert len(hits(table)) <= 2 * MOST_SHOWN and table["hits"].iloc[0] == count
    assert "of them are not listed" in table["note"].iloc[0]
