"""Views, headings, columns, ages and names as people write them: read by their words, or told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts.lib.cohort.notes import ALIKE, NO_VIEW, UNKNOWN_VIEW, advice_of
from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.formats import columns, folder, labels
from scripts.lib.formats.registry import list_records
from scripts.lib.formats.reports import impression
from scripts.lib.formats.views import side_of
from tests.cohort.test_cohort_notes import read_notes
from tests.formats.test_formats_readers import CANDID, FRONTAL, LATERAL, VALID, by_id, chexpert, files
from tests.helpers.dicom_files import dicom_bytes, ramp

FRONTAL_VIEWS = [
    "PA",
    "AP",
    " ap ",
    "AP Supine",
    "AP portable",
    "Postero-anterior",
    "chest PA",
    "Frontal",
    "AP_horizontal",
    "PA L",
]
LATERAL_VIEWS = [
    "LL",
    "RL",
    "LAT",
    "L",
    "R",
    "Lateral",
    "left lateral",
    "LLAT",
    "AP LLD",
    "XTABLE LATERAL",
    "L LAT",
    "LAO",
    "lat.",
]
OTHER_VIEWS = ["", "  ", "COSTAL", "unknown", "CHEST", "1"]


@pytest.mark.parametrize("view", [*FRONTAL_VIEWS, *LATERAL_VIEWS, *OTHER_VIEWS])
def test_views_by_their_words(view: str) -> None:
    expected = "frontal" if view in FRONTAL_VIEWS else "lateral" if view in LATERAL_VIEWS else None
    assert side_of(view) == expected


def viewed(root: Path, views: list[str], **reader: Any) -> dict[str, Any]:
    """Films of these views in a folder, and the configuration that reads them."""
    (root / "i").mkdir(parents=True)
    rows = ["image_id,file,patient_id,sick,view"]
    for k, view in enumerate(views):
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (20, 20), np.uint8)).save(root / "i" / f"{k}.png")
        rows.append(f"f{k},i/{k}.png,p{k},{k % 2},{view}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return {"format": "folder", "labels": ["sick"], "structures": [], "split": {"test": 0.5}, "reader": reader}


def prepared(root: Path, config: dict[str, Any], out: Path) -> Cohort:
    prepare_cohort("demo", config, root, 16, 1, out)
    return Cohort.open(out)


def test_only_frontal_films_pass_frontal_only(tmp_path: Path) -> None:
    views = ["PA", "AP", "LAT", "L", "lateral", "", "COSTAL"]
    config = viewed(tmp_path / "raw", views, frontal_only=True)
    cohort = prepared(tmp_path / "raw", config, tmp_path / "out")
    assert cohort.index["image_id"].tolist() == ["f0", "f1"]
    assert cohort.meta["excluded"] == {"lateral": 3, "view not given": 1, "view unknown: COSTAL": 1}
    assert read_notes(tmp_path / "out")["left out: view unknown: COSTAL"]["count"] == "1"


def test_films_of_unknown_views_are_kept_when_asked_and_told(tmp_path: Path) -> None:
    views = ["PA"] * 6 + ["", "COSTAL"]
    config = viewed(tmp_path / "raw", views, frontal_only=True, unknown_view="keep")
    cohort = prepared(tmp_path / "raw", config, tmp_path / "out")
    assert len(cohort) == 8 and cohort.meta["n_noted"] == 1
    notes = read_notes(tmp_path / "out")
    assert notes[UNKNOWN_VIEW]["examples"] == "f7: COSTAL" and notes[NO_VIEW]["examples"] == "f6"
    with pytest.raises(InputError, match=r"reader\.unknown_view is 'drop', expected one of keep, exclude"):
        prepared(tmp_path / "raw", {**config, "reader": {"unknown_view": "drop"}}, tmp_path / "out2")


# CheXpert: what Frontal/Lateral says counts, whatever AP/PA says.
@pytest.mark.parametrize("view", ["AP", "PA", "LL", "RL", ""])
def test_chexpert_counts_by_its_own_column(tmp_path: Path, view: str) -> None:
    row = FRONTAL.replace(",Frontal,AP,", f",Frontal,{view},")
    other = LATERAL.replace(",Lateral,,", f",Lateral,{view},")
    listing = chexpert(tmp_path, row + other, VALID)
    assert "patient00001-study1-view1_frontal" in by_id(listing) and listing.excluded["lateral"] == 1


# Reports: headings and meaning as in txt/section_parser.py of MIT-LCP/mimic-cxr.
SAME = [
    "IMPRESSION",
    "CONCLUSION",
    "FINDINGS AND IMPRESSION",
    "FINDINGS/IMPRESSION",
    "FINDINGS/ IMPRESSION",
    "NDICATION",
]
SAME += [
    "IMPRESSON",
    "IMPRRESSION",
    "IMORESSION",
    "IMPRESSOIN",
    "IMPRSSION",
    "IMPRESION",
    "IMPERSSION",
    "MPRESSION",
    "IMPESSION",
]
SAME += ["PROVISIONAL FINDINGS IMPRESSION (PFI)", "IMPRESSIONS", "FINDINGS, IMPRESSION"]


@pytest.mark.parametrize("heading", SAME)
def test_headings_that_mean_impression(heading: str) -> None:
    text = f"                                 FINAL REPORT\n EXAMINATION:  CHEST\n \n {heading}:  No acute\n process.\n"
    assert impression(text) == "No acute process."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # The line below a heading that stands alone is its text, as in the tool.
        (" IMPRESSION:\n PA AND LATERAL CHEST: Clear.\n COMPARISON: None.\n", "PA AND LATERAL CHEST: Clear."),
        (" IMPRESSION:\n\n FINDINGS: Clear.\n", None),
        (" FINDINGS AND IMPRESSION:\r\n Clear.\r\n", "Clear."),
        (" IMPRESSION: One.\n IMPRESSION: Two.\n", "Two."),
        (" IMPRESSION: One.\n IMPRESSION:\n", "One."),
        (" IMPRESSION: 1. At 10:30 the line is IN PLACE: good.\n", "1. At 10:30 the line is IN PLACE: good."),
        (" INDICATION: cough\n FINDINGS: Clear.\n", None),
    ],
)
def test_reports(text: str, found: str | None) -> None:
    assert impression(text) == found


# Columns -------------------------------------------------------------------------------------------------------------


def table(
    root: Path, head: str, row: str, reader: dict[str, Any] | None = None, wanted: tuple[str, ...] = ("pneumonia",)
) -> Any:
    files(root, labels__csv=f"{head}\n{row}\n")
    return list_records("folder", root, reader or {}, wanted, None)


BASE = "image_id,file,patient_id"


def test_the_exact_column_goes_first_and_two_candidates_are_refused(tmp_path: Path) -> None:
    for order in ("pneumonia,Pneumonia", "Pneumonia,pneumonia"):
        row = "1,0" if order.startswith("p") else "0,1"
        assert table(tmp_path, f"{BASE},{order}", f"a,a.png,p,{row}").records[0].labels == {"pneumonia": 1}
    assert table(tmp_path, f"{BASE},Pneumonia ", "a,a.png,p,1").records[0].labels == {"pneumonia": 1}
    with pytest.raises(InputError, match="'pneumonia' could be column 'Pneumonia' or 'PNEUMONIA'; rename one"):
        table(tmp_path, f"{BASE},Pneumonia,PNEUMONIA", "a,a.png,p,1,0")
    with pytest.raises(InputError, match="no column for label 'pneumonia', did you mean 'pnuemonia'"):
        table(tmp_path, f"{BASE},pnuemonia", "a,a.png,p,1")
    with pytest.raises(InputError, match="no column patient_id, did you mean patient"):
        table(tmp_path, "image_id,file,patient,pneumonia", "a,a.png,p,1")


def test_a_column_that_is_almost_one_that_would_be_read_is_told(tmp_path: Path) -> None:
    listing = table(tmp_path, f"{BASE},pneumonia,reprot,sexe,comment", "a,a.png,p,1,Clear.,F,x")
    assert listing.notes == {columns.NEAR: 2}
    assert listing.notes.examples[columns.NEAR] == ["'reprot' for 'report'", "'sexe' for 'sex'"]
    assert advice_of(columns.NEAR).level == "warning"
    same = table(tmp_path, f"{BASE},pneumonia,Report,SEX", "a,a.png,p,1,Clear.,F")
    assert (same.records[0].report, same.records[0].sex) == ("Clear.", "F") and not same.notes
    named = table(tmp_path, f"{BASE},pneumonia,reprot", "a,a.png,p,1,Clear.", {"columns": {"report": "reprot"}})
    assert named.records[0].report == "Clear." and not named.notes
    with pytest.raises(InputError, match="'report' could be column 'Report' or 'REPORT'"):
        table(tmp_path, f"{BASE},pneumonia,Report,REPORT", "a,a.png,p,1,x,y")


def test_candids_report_column(tmp_path: Path) -> None:
    text = CANDID["Pneumothorax_reports__csv"]
    for name, told in (("report", 0), ("Reprot", 1)):
        files(tmp_path, **{**CANDID, "Pneumothorax_reports__csv": text.replace(",Report\n", f",{name}\n")})
        listing = list_records("candid", tmp_path, {"chest_tubes": None}, [], None)
        assert listing.notes[columns.NEAR] == told and (by_id(listing)["1.2"].report == "Clear.") == (not told)


@pytest.mark.parametrize(
    ("cell", "wanted", "kept"),
    [
        ("2019.0", 2019, True),
        ("2019", 2019.0, True),
        ("2,019", 2019, False),
        ("x", 2019, False),
        ("TRUE", True, True),
        ("1.0", True, True),
        ("false", False, True),
        ("yes", True, False),
        ("nih", "nih", True),
        ("NIH", "nih", False),
        ("007", "7", False),
        ("", None, True),
        ("2019.0", [2018, 2019], True),
    ],
)
def test_where_compares_numbers_as_numbers(tmp_path: Path, cell: str, wanted: Any, kept: bool) -> None:
    files(tmp_path, labels__csv=f'{BASE},year\na,a.png,p,"{cell}"\nb,b.png,q,2018\n')
    reader = {"where": {"year": wanted}}
    if not kept:
        with pytest.raises(InputError, match="no row left"):
            list_records("folder", tmp_path, reader, [], None)
    else:
        assert "a" in by_id(list_records("folder", tmp_path, reader, [], None))


def test_a_value_of_where_that_no_row_has_is_told(tmp_path: Path) -> None:
    files(tmp_path, labels__csv=f"{BASE},source\na,a.png,p,nih\n")
    listing = list_records("folder", tmp_path, {"where": {"source": ["nih", "ieee"]}}, [], None)
    assert listing.notes == {folder.UNMET: 1} and listing.notes.examples[folder.UNMET] == ["source: ieee"]


# Names and people ----------------------------------------------------------------------------------------------------


def test_names_with_control_characters_stop(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 2: a NUL byte in a field"):
        table(tmp_path, f"{BASE},pneumonia", "a\0b,a.png,p,1")
    for image, patient in (("a\x07", "p"), ("a", "p\x1b[1m"), ("a", "p\u202e"), ('"a\nb"', "p")):
        with pytest.raises(InputError, match=r"row \d: (image|patient) id .* holds control characters"):
            table(tmp_path, f"{BASE},pneumonia", f"{image},a.png,{patient},1")


def test_names_are_composed_and_equal_ones_refused(tmp_path: Path) -> None:
    found = table(tmp_path, f"{BASE},pneumonia", "Zoe\u0308,a.png,Jose\u0301,1").records[0]
    assert (found.image_id, found.patient_id, found.source_file) == ("Zo\u00eb", "Jos\u00e9", "a.png")
    with pytest.raises(InputError, match="is already in row 2|identifiers must be unique"):
        table(tmp_path, f"{BASE},pneumonia", "Zoe\u0308,a.png,p,1\nZo\u00eb,b.png,p,1")


def test_patients_that_differ_in_form_only_are_told(tmp_path: Path) -> None:
    config = viewed(tmp_path / "raw", ["PA"] * 6)
    text = (tmp_path / "raw" / "labels.csv").read_text()
    for old, new in (
        (",p0,", ",patient0001,"),
        (",p1,", ",patient1,"),
        (",p2,", ",Patient 01,"),
        (",p3,", ",patient10,"),
    ):
        text = text.replace(old, new)
    (tmp_path / "raw" / "labels.csv").write_text(text)
    cohort = prepared(tmp_path / "raw", config, tmp_path / "out")
    row = read_notes(tmp_path / "out")[ALIKE]
    assert (row["count"], row["level"], row["examples"]) == ("3", "warning", "Patient 01 and patient0001 and patient1")
    assert any("patient0001" in words for words in cohort.meta["warnings"])


def test_ages_and_sexes_that_are_none_are_counted(tmp_path: Path) -> None:
    head, rows = (
        f"{BASE},pneumonia,age,sex",
        "a,a.png,p,1,999,O\nb,b.png,q,0,044Y,F\nc,c.png,r,0,,\nd,d.png,s,0,old,male",
    )
    found = by_id(table(tmp_path, head, rows))
    assert found["a"].notes == {labels.NO_AGE: 1, labels.NO_SEX: 1} and found["a"].notes.examples[labels.NO_AGE] == [
        "999"
    ]
    assert not found["b"].notes and not found["c"].notes and found["d"].notes == {labels.NO_AGE: 1}
    assert (found["a"].age, found["a"].sex, found["b"].age, found["b"].sex) == (None, "", 44.0, "F")
    odd = chexpert(tmp_path, FRONTAL.replace("Female,68", "Unknown,150"), VALID).records[0]
    assert odd.notes == {labels.NO_AGE: 1, labels.NO_SEX: 1}


def test_ages_and_sexes_of_headers_are_counted(tmp_path: Path) -> None:
    from scripts.lib.formats.dicom import read_film

    _, header, notes = read_film(dicom_bytes(ramp(), PatientAge="999Y", PatientSex="O"), 10_000, (0, 100))
    assert (header.age, header.sex) == (None, "") and notes[labels.NO_AGE] == notes[labels.NO_SEX] == 1
