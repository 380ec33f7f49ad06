"""RSNA, SIIM-ACR and NIH ChestX-ray14: persons whom two of them share, by files in the form in which they are public."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.evidence.leakage import Store, check_arm
from scripts.lib.evidence.leakage_hits import known_hits
from scripts.lib.formats.patients import nih_patient, read_patients
from scripts.lib.formats.record import Listing
from scripts.lib.formats.registry import list_records
from tests.helpers.leakage_films import SETTINGS, learned, phantom, store

# The head of Data_Entry_2017.csv, whose brackets hold commas; it numbers patients 1, 2, and its films 00000001_000.png.
NIH_HEAD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,Height],"
    "OriginalImagePixelSpacing[x,y],\n"
)
NIH_COLUMNS = {
    "image_id": "Image Index",
    "file": "Image Index",
    "patient_id": "Patient ID",
    "view": "View Position",
    "sex": "Patient Gender",
}
MAPPINGS = "pneumonia-challenge-dataset-mappings_2018.json"
# Person by person: films of NIH, RSNA and SIIM. 1 is in all three, 2 in RSNA and NIH, 3 in SIIM and NIH, 4 in RSNA and SIIM
# alone, 5 to 7 in one each; 10 and 100 look like 1 and are others.
PERSONS = {
    1: (2, 2, 1),
    2: (1, 1, 0),
    3: (3, 0, 2),
    4: (0, 1, 1),
    5: (1, 0, 0),
    6: (0, 2, 0),
    7: (0, 0, 1),
    10: (1, 0, 0),
}
PERSONS |= {100: (0, 1, 0)}
NIH, RSNA, SIIM = range(3)


def films(dataset: int) -> list[tuple[int, str, str]]:
    """Return (person, NIH's name of the film, the dataset's own name) of each film; no film is in two datasets."""
    found = []
    for person, counts in PERSONS.items():
        first = sum(counts[:dataset])
        for number in range(first, first + counts[dataset]):
            key = person * 1000 + number
            uuid = f"{key:08x}-68e4-4ca4-b1af-{key:012x}"
            uid = f"1.2.276.0.7230010.3.1.4.8323329.{key}.1517875{number:03d}.{key}"
            nih = f"{person:08d}_{number:03d}.png"
            found.append((person, nih, (nih, uuid, uid)[dataset]))
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the three datasets, and a table of one's own for SIIM."""
    root = tmp_path_factory.mktemp("nih")
    rows = [f"{nih},Mass|Nodule,0,{person},058Y,M,PA,2682,2749,0.143,0.143," for person, nih, _ in films(NIH)]
    (root / "Data_Entry_2017.csv").write_text(NIH_HEAD + "\n".join(rows) + "\n")
    boxes = "patientId,x,y,width,height,Target\n" + "".join(f"{name},,,,,0\n" for *_, name in films(RSNA))
    (root / "stage_2_train_labels.csv").write_text(boxes)
    classes = "patientId,class\n" + "".join(f"{name},Normal\n" for *_, name in films(RSNA))
    (root / "stage_2_detailed_class_info.csv").write_text(classes)
    entries = [
        {"subset_img_id": name, "img_id": nih, "orig_labels": ["Mass"], "StudyInstanceUID": f"1.2.276.{number}"}
        for number, (_, nih, name) in enumerate(films(RSNA))
    ]
    (root / MAPPINGS).write_text(json.dumps(entries))
    (root / "train-rle.csv").write_text(
        "ImageId, EncodedPixels\n" + "".join(f"{name}, 100 5\n" for *_, name in films(SIIM))
    )
    (root / "siim-nih.csv").write_text(
        "image_id,patient_id\n" + "".join(f"{name},{nih}\n" for _, nih, name in films(SIIM))
    )
    return root


@pytest.fixture(scope="module")
def stores(tree: Path) -> dict[str, Store]:
    """The three datasets as their readers list them; all films of RSNA and SIIM are tested, a picture is a film's own."""
    listings = {
        "nih": list_records("folder", tree, {"table": "Data_Entry_2017.csv", "columns": NIH_COLUMNS}, [], None),
        "rsna": list_records("rsna", tree, {"patients": MAPPINGS}, ["pneumonia"], None),
        "siim": list_records("siim", tree, {}, ["pneumothorax"], None),
    }
    first, found = 0, {}
    for name, listing in listings.items():
        found[name] = _store(listing, name, first)
        first += len(listing.records)
    return found


def _store(listing: Listing, name: str, first: int) -> Store:
    count = len(listing.records)
    one = store([phantom(first + number) for number in range(count)], name, "train" if name == "nih" else "test")
    # The header of a film of SIIM names a patient of the challenge's own.
    patients = [record.patient_id or f"header-{record.image_id}" for record in listing.records]
    own = one.films.assign(image_id=[record.image_id for record in listing.records], patient_id=patients)
    return Store(own.astype("string"), one.pictures)


def links(tree: Path) -> list[dict[str, Any]]:
    return [
        {"dataset": "rsna", "to": "nih"},
        {"dataset": "siim", "to": "nih", "table": str(tree / "siim-nih.csv")},
    ]


def found(
    stores: dict[str, Store], tested: str, taught: Sequence[str], entries: list[dict[str, Any]]
) -> set[tuple[str, str]]:
    """Return (tested film, dataset that taught) of every pair by identifiers and pixels; each is of the kind `person`."""
    films, teachers = stores[tested].films.assign(dataset=tested), learned({name: stores[name] for name in taught})
    hits, _ = known_hits(films, teachers, entries)
    assert set(hits["kind"]) <= {"person"}
    names = films["image_id"].to_numpy()[hits["tested"].astype(int)]
    return set(zip(names, teachers["dataset"].to_numpy()[hits["learned"].astype(int)]))


def shared(tested: int, taught: int) -> set[tuple[str, str]]:
    names = ("nih", "rsna", "siim")
    return {(name, names[taught]) for person, _, name in films(tested) if PERSONS[person][taught]}


def test_readers_list_the_planted_films(stores: dict[str, Store]) -> None:
    patients = stores["nih"].films["patient_id"].tolist()
    assert patients == ["1", "1", "2", "3", "3", "3", "5", "10"]
    assert stores["rsna"].films["patient_id"].tolist() == [
        f"{person:08d}" for person in (1, 1, 2, 4, 6, 6, 100)
    ] and not any(stores["siim"].films["patient_id"].isin(patients))


def test_shared_persons_of_three_datasets_are_found_and_no_other(tree: Path, stores: dict[str, Store]) -> None:
    # RSNA: both films of 1 and the one of 2 are in NIH, and 1 twice and 4 once in SIIM. SIIM: 1 and 3 twice in NIH.
    assert shared(RSNA, NIH) | shared(RSNA, SIIM) == found(stores, "rsna", ["nih", "siim"], links(tree))
    assert shared(SIIM, NIH) | shared(SIIM, RSNA) == found(stores, "siim", ["nih", "rsna"], links(tree))
    assert [len(shared(*pair)) for pair in ((RSNA, NIH), (RSNA, SIIM), (SIIM, NIH), (SIIM, RSNA))] == [3, 3, 3, 2]


def test_the_check_of_an_arm_stops_at_shared_persons(tree: Path, stores: dict[str, Store]) -> None:
    settings = SETTINGS | {"links": links(tree)}
    table = check_arm("siim", "original", stores, learned({name: stores[name] for name in ("nih", "rsna")}), settings)
    heads = table[table["kind"] == "all"].set_index("learned_dataset")
    assert heads[["verdict", "tested", "hits", "note"]].to_numpy().tolist() == [
        ["stops", 5, 3, "person: 3"],
        ["stops", 5, 2, "person: 2"],
    ]
    hits = table[table["kind"] != "all"]
    assert set(zip(hits["image_id"], hits["learned_dataset"])) == shared(SIIM, NIH) | shared(SIIM, RSNA)
    assert set(hits["learned_patient_id"]) == {"1", "3", "00000001", "00000004"}


def test_two_datasets_that_share_persons_without_the_register_in_the_study(
    tree: Path, stores: dict[str, Store]
) -> None:
    both = {name: stores[name] for name in ("rsna", "siim")}
    assert found(both, "siim", ["rsna"], links(tree)) == shared(SIIM, RSNA)


def test_what_the_public_files_say_alone(tree: Path, stores: dict[str, Store]) -> None:
    # RSNA's list links RSNA with NIH; nothing links SIIM, whose persons are then not found.
    assert found(stores, "rsna", ["nih", "siim"], links(tree)[:1]) == shared(RSNA, NIH)
    assert found(stores, "siim", ["nih", "rsna"], links(tree)[:1]) == set()
    # RSNA's list names no film of SIIM: it is refused there, not taken for "no shared person".
    wrong = {"dataset": "siim", "to": "nih", "table": str(tree / MAPPINGS)}
    with pytest.raises(InputError, match=rf"{MAPPINGS}: names none of \d+ films of siim"):
        found(stores, "siim", ["nih"], [wrong])


def test_a_film_of_nih_in_a_column_of_patients_is_its_patient(tree: Path, tmp_path: Path) -> None:
    assert set(read_patients(tree / "siim-nih.csv").rows.values()) == {f"{person:08d}" for person in (1, 3, 4, 7)}
    assert nih_patient("00000042_006") == "00000042" and nih_patient(" 00000042_006.png ") == "00000042"
    assert [nih_patient(name) for name in ("42", "42_006.png", "00000042_006.jpg", "x00000042_006.png")] == [None] * 4
    columns = NIH_COLUMNS | {"patient_id": "Image Index"}
    listing = list_records("folder", tree, {"table": "Data_Entry_2017.csv", "columns": columns}, [], None)
    assert len({record.patient_id for record in listing.records}) == 5


def test_many_films_are_linked_exactly(tmp_path: Path) -> None:
    # 3,000 films of 1,200 persons, half of them tested: who is shared is what a set says. No header names a patient.
    rng = np.random.default_rng(5)
    person = rng.integers(1, 1200, 3000)
    frame = pd.DataFrame({"image_id": [f"f{n}" for n in range(3000)], "patient_id": pd.NA, "sha256": pd.NA})
    frame = frame.assign(dataset=np.where(np.arange(3000) < 1500, "siim", "other"), role="base").astype("string")
    table = "image_id,patient_id\n" + "".join(f"f{n},{one:08d}_000.png\n" for n, one in enumerate(person))
    (tmp_path / "who.csv").write_text(table)
    entries = [{"dataset": name, "to": "nih", "table": str(tmp_path / "who.csv")} for name in ("siim", "other")]
    tested, teachers = frame[:1500], frame[1500:].reset_index(drop=True)
    hits, notes = known_hits(tested, teachers, entries)
    assert set(hits["tested"]) == set(np.flatnonzero(np.isin(person[:1500], person[1500:]))) and not notes
    pairs = hits[["tested", "learned"]].to_numpy(int)
    assert (person[pairs[:, 0]] == person[1500 + pairs[:, 1]]).all()
