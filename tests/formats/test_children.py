"""Films of children: PneumoniaMNIST, Kermany's folders and VinDr-PCXR, read in the form in which they are published."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts.lib.cohort.prepare import prepare_cohort
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.formats import kermany, medmnist, vindr_pcxr
from scripts.write_phantom import main as write_main
from tests.formats.test_mask_pictures import chest, lungs

SEED = 1


def phantom(tmp_path: Path, format: str, config: str) -> Path:
    """Write a phantom tree and return its folder."""
    out = tmp_path / "raw"
    options = ["--dataset", "kids", "--format", format, "--seed", str(SEED), "--config", config]
    write_main([*options, "--out", str(out), "--manifest", str(tmp_path / "raw.json")])
    return out


def prepare(root: Path, out: Path, resolution: int = 32, **config: Any) -> Cohort:
    config = {"labels": ["pneumonia"], "split": "given", **config}
    prepare_cohort("kids", config, root, resolution, SEED, out)
    return Cohort.open(out)


def arrays(side: int = 28, **changes: Any) -> dict[str, np.ndarray]:
    """The six arrays of a file with 4, 2 and 2 films."""
    stream = np.random.default_rng(0)
    made: dict[str, np.ndarray] = {}
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        made[f"{split}_images"] = stream.integers(0, 256, (count, side, side), dtype=np.uint8)
        made[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % 2).reshape(-1, 1)
    return {**made, **changes}


def save(root: Path, made: dict[str, np.ndarray], name: str = "pneumoniamnist.npz") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(root / name, **made)
    return root


def test_a_phantom_file_comes_back_as_it_was_drawn(tmp_path: Path) -> None:
    config = '{"patients": 31, "validate_patients": 8, "test_patients": 8, "side": 64, "size": 64}'
    root = phantom(tmp_path, "medmnist", config)
    with np.load(root / "pneumoniamnist_64.npz", allow_pickle=False) as file:
        films = {name: file[name] for name in file.files}
    assert sorted(films) == sorted(medmnist.ARRAYS)
    assert films["train_images"].shape == (31, 64, 64) and films["train_labels"].shape == (31, 1)
    # the published shift: 74.2 % of 31 are 23.002, 62.5 % of 8 are 5
    assert films["train_labels"].sum() == 23 and films["val_labels"].sum() == films["test_labels"].sum() == 5
    split = {"given": True, "generator": 0.5}
    cohort = prepare(
        root, tmp_path / "out", 64, format="medmnist", reader={"file": "pneumoniamnist_64.npz"}, split=split
    )
    by_id = cohort.index.reset_index(drop=True).set_index("image_id")
    for name, number in (("train", 30), ("val", 0), ("test", 7)):
        row = cohort.index.index[cohort.index.image_id == f"{name}-{number:05d}"][0]
        assert np.array_equal(cohort.images([row])[0], films[f"{name}_images"][number])
        assert by_id.pneumonia[f"{name}-{number:05d}"] == films[f"{name}_labels"][number, 0]
    counts = cohort.index.split.value_counts().to_dict()
    assert counts == {"train": 15, "generator": 16, "validate": 8, "test": 8}  # half of 31, rounded to even
    assert cohort.meta["notes"][medmnist.NO_PATIENTS] == 47


def test_equal_settings_give_an_equal_file_and_a_shortcut_changes_diseased_films_only(tmp_path: Path) -> None:
    plain = '{"patients": 12, "validate_patients": 4, "test_patients": 4, "size": 64}'
    one, two = (phantom(tmp_path / name, "medmnist", plain) for name in ("one", "two"))
    sharp = phantom(tmp_path / "sharp", "medmnist", plain.replace("64}", '64, "shortcut": 1.0}'))
    name = "pneumoniamnist.npz"
    assert (one / name).read_bytes() == (two / name).read_bytes()
    with np.load(one / name) as before, np.load(sharp / name) as after:
        same = (before["train_images"] == after["train_images"]).all(axis=(1, 2))
        assert np.array_equal(same, before["train_labels"][:, 0] == 0)


def test_films_of_28_pixels_get_a_border_and_are_never_enlarged(tmp_path: Path) -> None:
    made = arrays()
    cohort = prepare(save(tmp_path / "raw", made), tmp_path / "out", 32, format="medmnist")
    row = cohort.index.index[cohort.index.image_id == "train-00000"][0]
    image = cohort.images([row])[0]
    assert np.array_equal(image[2:30, 2:30], made["train_images"][0])  # (32 - 28) / 2 = 2 on each side
    assert not image[:2].any() and not image[:, 30:].any()
    with pytest.raises(InputError, match="films of 28 pixels in a study of 64.*lower study.resolution to 32"):
        prepare(tmp_path / "raw", tmp_path / "large", 64, format="medmnist")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extra": np.zeros(1)}, "expected exactly the six"),
        ({"train_labels": np.zeros(4, dtype=np.uint8)}, r"train_labels has the shape \(4,\); expected \(4, 1\)"),
        ({"test_images": np.zeros((2, 28, 28, 3), dtype=np.uint8)}, "expected N x S x S, grey films"),
        ({"test_images": np.zeros((2, 28, 30), dtype=np.uint8)}, "expected N x S x S"),
        ({"val_images": np.zeros((2, 28, 28), dtype=np.float32)}, "val_images holds float32"),
        ({"val_images": np.array([{}, {}], dtype=object)}, "val_images holds pickled objects"),
        ({"val_labels": np.array([[0], [2]], dtype=np.uint8)}, r"val_labels\[1\] is 2; expected 0 or 1"),
        ({"val_images": np.zeros((2, 64, 64), dtype=np.uint8)}, "films of several sizes"),
    ],
)
def test_files_of_another_form(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    save(tmp_path / "raw", arrays(**changes))
    with pytest.raises(InputError, match=words):
        prepare(tmp_path / "raw", tmp_path / "out", format="medmnist")


def test_a_missing_a_torn_and_an_untrue_file(tmp_path: Path) -> None:
    root = save(tmp_path / "raw", arrays())
    path = root / "pneumoniamnist.npz"
    with pytest.raises(InputError, match="no such file"):
        prepare(root, tmp_path / "out", format="medmnist", reader={"file": "pneumoniamnist_64.npz"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable .npz"):
        prepare(root, tmp_path / "out", format="medmnist")
    with zipfile.ZipFile(path, "w") as archive:  # a header that promises 4 TB
        for name, array in arrays().items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array)
            data = buffer.getvalue()
            if name == "train_images":
                data = data.replace(b"(4, 28, 28), }        ", b"(4, 1000000, 1000000)}")
            archive.writestr(f"{name}.npy", data)
    with pytest.raises(InputError, match="more than the limit|no array"):
        prepare(root, tmp_path / "out", format="medmnist")


@pytest.mark.parametrize("compressed", [True, False])
def test_150_flipped_bytes_end_in_a_value_the_quarantine_or_one_line(tmp_path: Path, compressed: bool) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    path = root / "pneumoniamnist.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays())
    whole, stream = path.read_bytes(), np.random.default_rng(1)
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        data[int(stream.integers(len(data)))] ^= int(stream.integers(1, 256))
        path.write_bytes(data)
        try:
            prepare(root, tmp_path / "out", format="medmnist", quarantine_limit=1.0)
        except InputError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused > 30


def test_a_constant_film_is_quarantined(tmp_path: Path) -> None:
    made = arrays()
    made["val_images"][1] = 7
    cohort = prepare(save(tmp_path / "raw", made), tmp_path / "out", format="medmnist", quarantine_limit=0.5)
    assert len(cohort.index) == 7
    assert "constant: every pixel is 7" in (tmp_path / "out" / "quarantine.tsv").read_text()


def film(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(chest(lungs()) + np.uint8(level)).save(path)


KERMANY = {
    "train/NORMAL/IM-0115-0001.jpeg": ("train-normal-IM-0115", 0, 0, 0),
    "train/NORMAL/NORMAL2-IM-0389-0001-0002.jpeg": ("train-normal-NORMAL2-IM-0389", 0, 0, 0),
    "train/PNEUMONIA/person1_bacteria_1.jpeg": ("train-pneumonia-person1", 1, 1, 0),
    "train/PNEUMONIA/person1_virus_2.jpeg": ("train-pneumonia-person1", 1, 0, 1),
    "val/NORMAL/NORMAL-1049278-0001.jpeg": ("val-normal-1049278", 0, 0, 0),
    "test/NORMAL/IM-0115-0001.jpeg": ("test-normal-IM-0115", 0, 0, 0),
    "test/PNEUMONIA/BACTERIA-30629-0001.jpeg": ("test-pneumonia-30629", 1, 1, 0),
    "test/PNEUMONIA/VIRUS-1125438-0001.jpeg": ("test-pneumonia-1125438", 1, 0, 1),
}


def test_kermanys_names_of_three_editions(tmp_path: Path) -> None:
    for level, path in enumerate(KERMANY):
        film(tmp_path / "raw" / "chest_xray" / path, level)
    film(tmp_path / "raw" / "chest_xray" / "train" / "PNEUMONIA" / "IM-0001-0001.jpeg", 99)  # a normal film's name
    (tmp_path / "raw" / "chest_xray" / "train" / "NORMAL" / ".DS_Store").write_bytes(b"x")
    labels = list(kermany.LABELS)
    cohort = prepare(tmp_path / "raw", tmp_path / "out", format="kermany", labels=labels, quarantine_limit=0.2)
    rows = {row.source_file.removeprefix("chest_xray/"): row for row in cohort.index.itertuples()}
    assert {
        path: (row.patient_id, *(int(getattr(row, label)) for label in labels)) for path, row in rows.items()
    } == KERMANY
    assert rows["val/NORMAL/NORMAL-1049278-0001.jpeg"].split == "validate"
    assert cohort.meta["notes"][kermany.NUMBERS] == 8
    assert "no form of the class PNEUMONIA" in (tmp_path / "out" / "quarantine.tsv").read_text()


def test_kermanys_folders_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "raw" / "chest_xray").mkdir(parents=True)
    with pytest.raises(InputError, match="no folder such as train/NORMAL"):
        prepare(tmp_path / "raw", tmp_path / "out", format="kermany")
    with pytest.raises(InputError, match="'edema' is no label of format kermany"):
        prepare(tmp_path / "raw", tmp_path / "out", format="kermany", labels=["edema"])


def test_a_phantom_of_vindr_comes_back_with_boxes_and_ages(tmp_path: Path) -> None:
    root = phantom(tmp_path, "vindr-pcxr", '{"patients": 24, "test_patients": 8, "size": 64, "missing_files": 1}')
    reader = {"box_masks": True}
    config = {"format": "vindr-pcxr", "reader": reader, "quarantine_limit": 0.2}
    cohort = prepare(root, tmp_path / "out", **config)
    # 32 films, 2 of which no table lists and 1 without a file; other diseases are left out
    left_out = cohort.meta["excluded"]["another disease"]
    assert len(cohort.index) == 32 - 2 - 1 - left_out and left_out > 0
    positive = cohort.index.pneumonia == 1
    masks = cohort.mask(cohort.index.index, "pneumonia").any(axis=(1, 2))
    assert np.array_equal(masks, positive.to_numpy(dtype=bool)) and masks.any()
    assert cohort.index.age.between(0, 9).all() and set(cohort.index.sex) == {"M", "F"}
    young = prepare(root, tmp_path / "young", **config | {"reader": reader | {"ages": [0, 3]}})
    assert young.index.age.max() <= 3
    assert len(young.index) + young.meta["excluded"]["of another age"] == len(cohort.index)
    others = prepare(root, tmp_path / "others", **config | {"reader": reader | {"others": "negative"}})
    assert len(others.index) == len(cohort.index) + left_out


def tables(root: Path, labels: str, boxes: str = "image_id,rad_ID,class_name,x_min,y_min,x_max,y_max\n") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        text = labels if part == "train" else labels.splitlines()[0] + "\nz,R1,1,0,0,0\n"
        (root / f"image_labels_{part}.csv").write_text(text)
        (root / f"annotations_{part}.csv").write_text(boxes)
    return root


HEAD = "image_id,rad_ID,No finding,PNEUMONIA,Broncho-pneumonia,Pleuro pneumonia\n"


def listing(root: Path, **reader: Any) -> Any:
    from scripts.lib.formats.registry import list_records

    return list_records("vindr-pcxr", root, reader, ["pneumonia"], None)


def test_names_of_diseases_are_matched_without_case_and_spelling(tmp_path: Path) -> None:
    assert vindr_pcxr.plain("Brocho-pneumonia") == vindr_pcxr.plain("broncho pneumonia")
    rows = "a,R1,1,0,0,0\nb,R1,0,0,1,0\nc,R1,0,0,0,0\nd,R1,1,0,0,0\nd,R2,0,1,0,0\n"
    found = listing(tables(tmp_path / "raw", HEAD + rows))
    labels = {record.image_id: record.labels["pneumonia"] for record in found.records}
    assert labels == {"a": 0, "b": 1, "d": 1, "z": 0}  # c has another disease; of d one reader says pneumonia
    assert found.excluded["another disease"] == 1
    assert next(record for record in found.records if record.image_id == "d").notes[vindr_pcxr.DISAGREE] == 1


@pytest.mark.parametrize(
    ("rows", "boxes", "reader", "words"),
    [
        ("a,R1,1,0,0,2\n", "", {}, "column Pleuro pneumonia: label '2'"),
        ("a,R1,1,0,0,\n", "", {}, "column Pleuro pneumonia: '', expected 0 or 1"),
        ("a,R1,1,0,0,0\n", "", {"positive": ["Asthma"]}, r"no column 'Asthma' \(reader.positive\)"),
        ("a,R1,1,0,0,0\n", "", {"ages": [5]}, r"reader.ages is \[5\]"),
        ("a,R1,1,0,0,0\n", "", {"others": "drop"}, "reader.others is 'drop'"),
        ("a,R1,0,1,0,0\n", "a,R1,Consolidation,5,5,2,9\n", {"box_masks": True}, "corners .*expected 0 <= x_min"),
        ("a,R1,0,1,0,0\n", "a,R1,No finding,1,1,2,9\n", {"box_masks": True}, "with 4 of 4 corners"),
        ("a,R1,0,1,0,0\n", "b,R1,No finding,,,,\n", {"box_masks": True}, "no row of boxes for 1 of 1 films"),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, rows: str, boxes: str, reader: dict[str, Any], words: str) -> None:
    head = "image_id,rad_ID,class_name,x_min,y_min,x_max,y_max\n"
    root = tables(tmp_path / "raw", HEAD + rows, head + (boxes or "a,R1,No finding,,,,\n"))
    with pytest.raises(InputError, match=words):
        listing(root, **reader)
