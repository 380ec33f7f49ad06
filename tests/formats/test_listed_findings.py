"""Labels of a column that lists what each film shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.formats.registry import list_records

HEADER = "image_id,file,patient_id,found,rib_fracture"


def labels(folder: Path, cells: list[str], wanted: list[str], **reader: Any) -> list[dict[str, int | None]]:
    rows = [f'{n},{n}.png,p{n},"{cell}",{n % 2}' for n, cell in enumerate(cells)]
    (folder / "films.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    settings = {"table": "films.csv", "findings": "found", **reader}
    return [record.labels for record in list_records("folder", folder, settings, wanted, None).records]


def test_a_film_has_what_its_cell_lists_and_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    cells = ["Effusion|Pleural_Thickening|", "No Finding", "", " pleural thickening "]
    wanted = ["effusion", "pleural_thickening"]
    found = [tuple(one.values()) for one in labels(tmp_path, cells, wanted)]
    assert found == [(1, 1), (0, 0), (None, None), (0, 1)]
    assert [*labels(tmp_path, cells, wanted, blank="zero")[2].values()] == [0, 0]


def test_a_label_that_is_a_column_is_read_from_it(tmp_path: Path) -> None:
    found = labels(tmp_path, ["Effusion", "No Finding"], ["rib_fracture", "effusion"])
    assert found == [{"rib_fracture": 0, "effusion": 1}, {"rib_fracture": 1, "effusion": 0}]


def test_a_list_of_python_and_a_finding_of_another_name(tmp_path: Path) -> None:
    cells = ["['pleural effusion', 'loc right']", "['normal']", "[]"]
    found = labels(tmp_path, cells, ["effusion"], findings_separator=",", columns={"effusion": "pleural effusion"})
    assert [one["effusion"] for one in found] == [1, 0, 0]


@pytest.mark.parametrize(
    ("wanted", "reader", "said"),
    [
        (["efusion"], {}, r"no film has the finding 'efusion' of label 'efusion'; did you mean effusion\?; it lists effusion, edema"),
        (["effusion"], {"findings": "fond"}, r"no column fond, named in reader.findings; did you mean found\?"),
        (["effusion"], {"findings": 3}, "reader.findings is 3, expected a str"),
        (["effusion"], {"findings_separator": ""}, "reader.findings_separator is '', expected what stands between two findings"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path: Path, wanted: list[str], reader: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        labels(tmp_path, ["Effusion|Edema", "Effusion"], wanted, **reader)
