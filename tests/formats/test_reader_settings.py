"""Keys of a reader: which tables a format reads, names that are nearly right, and values of the wrong kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats.sources import reader_settings, tables, where_to_get


def test_tables_of_a_format(tmp_path: Path) -> None:
    (tmp_path / "mimic-cxr-2.0.0-split.csv.gz").touch()
    found = tables("mimic", tmp_path, {"chexmask": None, "reports": None})
    assert [path.name for path in found] == [
        "mimic-cxr-2.0.0-split.csv.gz",
        "mimic-cxr-2.0.0-metadata.csv",
        "mimic-cxr-2.0.0-chexpert.csv",
    ]
    assert "Kaggle" in where_to_get("rsna") and "\n" not in where_to_get("candid")


def test_unknown_format_and_reader_key_name_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'chexpert'"):
        tables("chexprt", ".")
    with pytest.raises(InputError, match="did you mean 'rle_base'"):
        reader_settings("siim", {"rle_bas": 1})


@pytest.mark.parametrize(
    ("format", "reader"),
    [
        ("siim", {"rle_base": 2}),
        ("siim", {"rle_base": True}),
        ("siim", {"positives_only": 1}),
        ("siim", {"table": 5}),
        ("siim", {"images": None}),
        ("candid", {"min_rca": "0.7"}),
        ("candid", {"chexmask_missing": "drop"}),
        ("folder", {"where": "source"}),
        ("mimic", {"blank": "ones"}),
        ("candid", {"min_rca": -7}),
        ("candid", {"min_rca": 70}),
        ("mimic", {"min_rca": float("nan")}),
        ("siim", {"table": ""}),
        ("rsna", {"encoding": "utf-9"}),
        ("rsna", {"encoding": "base64"}),
        ("folder", {"mask_values": {"lungs": -1}}),
        ("folder", {"mask_values": {"lungs": 1.5}}),
        ("folder", {"mask_values": {"lungs": 70000}}),
        ("folder", {"mask_values": {"lungs": 1, "heart": 1}}),
        ("folder", {"mask_values": {"lungs": None}}),
        ("folder", {"mask_ignored": [-1]}),
        ("folder", {"mask_ignored": ["127"]}),
        ("folder", {"columns": {"image_id": 3}}),
        ("folder", {"columns": {"image_id": None}}),
        ("folder", {"label_words": {True: 1}}),
        ("folder", {"label_words": {"yes": 2}}),
        ("folder", {"where": {"year": []}}),
        ("folder", {"where": {"year": {"from": 2019}}}),
        ("vindr-pcxr", {"ages": [12, 3]}),
        ("vindr-pcxr", {"ages": [-1, 3]}),
        ("vindr-pcxr", {"ages": [3, 200]}),
        ("vindr-pcxr", {"positive": ["Pneumonia", 1]}),
        ("chestxdet", {"groups": {"pneumothorax": []}}),
        ("chestxdet", {"groups": {"pneumothorax": 5}}),
    ],
)
def test_reader_values_of_the_wrong_kind(format: str, reader: dict) -> None:
    with pytest.raises(InputError, match=rf"reader\.{next(iter(reader))} is .*, expected"):
        reader_settings(format, reader)
    assert reader_settings("candid", {"chexmask": None, "chest_tubes": None, "min_rca": 1})["min_rca"] == 1
