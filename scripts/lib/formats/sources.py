"""What each format needs on disk: its reader's keys, its tables, and where its data come from. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scripts.lib.core.errors import InputError
from scripts.lib.formats.reader_values import check_value

SHARED = {"patients": None, "encoding": "utf-8"}
CHEXMASK = {"chexmask": None, "min_rca": 0.7, "chexmask_missing": "keep"}
READERS: dict[str, dict[str, Any]] = {
    "chexpert": {
        "train": "train.csv",
        "valid": "valid.csv",
        "uncertainty": "mgca",
        "blank": "zero",
        "frontal_only": True,
        "unknown_view": "exclude",
        **SHARED,
    },
    "candid": {
        "table": "Pneumothorax_reports.csv",
        "chest_tubes": "chest_tube.csv",
        "rib_fractures": "acute_rib_fracture.csv",
        "images": "dataset",
        "rle_base": 0,
        "frontal_only": True,
        "unknown_view": "keep",
        **SHARED,
        **CHEXMASK,
    },
    "siim": {
        "table": "train-rle.csv",
        "images": "dicom-images-train",
        "rle_base": 0,
        "positives_only": True,
        "frontal_only": True,
        "unknown_view": "keep",
        **SHARED,
    },
    "rsna": {
        "table": "stage_2_train_labels.csv",
        "classes": "stage_2_detailed_class_info.csv",
        "images": "stage_2_train_images",
        "box_masks": False,
        "frontal_only": True,
        "unknown_view": "keep",
        **SHARED,
    },
    "mimic": {
        "split": "mimic-cxr-2.0.0-split.csv",
        "metadata": "mimic-cxr-2.0.0-metadata.csv",
        "labels": "mimic-cxr-2.0.0-chexpert.csv",
        "reports": "mimic_cxr_sectioned.csv",
        "images": "files",
        "suffix": ".jpg",
        "uncertainty": "zeros",
        "blank": "zero",
        "frontal_only": True,
        "unknown_view": "exclude",
        **SHARED,
        **CHEXMASK,
    },
    "medmnist": {"file": "pneumoniamnist.npz", "frontal_only": False, "unknown_view": "keep", **SHARED},
    "kermany": {"images": "chest_xray", "frontal_only": False, "unknown_view": "keep", **SHARED},
    "vindr-pcxr": {
        "train": "image_labels_train.csv",
        "test": "image_labels_test.csv",
        "train_boxes": "annotations_train.csv",
        "test_boxes": "annotations_test.csv",
        "positive": ["Pneumonia", "Brocho-pneumonia", "Pleuro-pneumonia"],
        "negative": ["No finding"],
        "others": "exclude",
        "ages": [],
        "box_masks": False,
        "frontal_only": True,
        "unknown_view": "keep",
        **SHARED,
    },
    "chestxdet": {
        "train": "ChestX_Det_train.json",
        "test": "ChestX_Det_test.json",
        "train_images": "train_data",
        "test_images": "test_data",
        "groups": {
            "pleural_effusion": ["Effusion"],
            "consolidation": ["Consolidation"],
            "atelectasis": ["Atelectasis"],
            "pneumothorax": ["Pneumothorax"],
            "cardiomegaly": ["Cardiomegaly"],
        },
        "frontal_only": False,
        "unknown_view": "keep",
        **SHARED,
        **CHEXMASK,
    },
    "vindr-cxr": {
        "train": "annotations/image_labels_train.csv",
        "test": "annotations/image_labels_test.csv",
        "train_boxes": "annotations/annotations_train.csv",
        "test_boxes": "annotations/annotations_test.csv",
        "groups": {
            "pleural_effusion": ["Pleural effusion"],
            "consolidation": ["Consolidation"],
            "atelectasis": ["Atelectasis"],
            "pneumothorax": ["Pneumothorax"],
            "cardiomegaly": ["Cardiomegaly"],
        },
        "box_masks": False,
        "frontal_only": True,
        "unknown_view": "keep",
        **SHARED,
    },
    "chexlocalize": {
        "val": "CheXlocalize/gt_segmentations_val.json",
        "test": "CheXlocalize/gt_segmentations_test.json",
        "val_images": "CheXpert/val",
        "test_images": "CheXpert/test",
        "groups": {
            "pleural_effusion": ["Pleural Effusion"],
            "consolidation": ["Consolidation"],
            "atelectasis": ["Atelectasis"],
            "pneumothorax": ["Pneumothorax"],
            "cardiomegaly": ["Cardiomegaly"],
        },
        "frontal_only": True,
        "unknown_view": "keep",
        **SHARED,
    },
    "folder": {
        "table": "labels.csv",
        "images": "",
        "masks": "",
        "columns": {},
        "label_words": {},
        "findings": "",
        "findings_separator": "|",
        "where": {},
        "mask_values": {},
        "mask_ignored": [],
        "uncertainty": "ignore",
        "blank": "ignore",
        "frontal_only": False,
        "unknown_view": "exclude",
        **SHARED,
    },
}
# What `columns` of a folder may rename, beside its labels (scripts/lib/formats/folder.py).
FOLDER_COLUMNS = ("image_id", "file", "patient_id", "mask_file", "report", "split", "view", "sex", "age")
TABLE_KEYS = {
    "chexpert": ("train", "valid", "patients"),
    "candid": ("table", "chest_tubes", "rib_fractures", "chexmask", "patients"),
    "siim": ("table", "patients"),
    "rsna": ("table", "classes", "patients"),
    "mimic": ("split", "metadata", "labels", "reports", "chexmask", "patients"),
    "medmnist": ("file", "patients"),
    "kermany": ("patients",),
    "vindr-pcxr": ("train", "test", "train_boxes", "test_boxes", "patients"),
    "chestxdet": ("train", "test", "chexmask", "patients"),
    "vindr-cxr": ("train", "test", "train_boxes", "test_boxes", "patients"),
    "chexlocalize": ("val", "test", "patients"),
    "folder": ("table", "patients"),
}
WHERE = {
    "chexpert": "CheXpert: stanfordaimi.azurewebsites.net, Stanford research use agreement (a form, free of charge)",
    "candid": "CANDID-PTX: doi.org/10.17608/k6.auckland.14173982, ethics course and data use agreement; lung and heart masks: "
    "a CheXmask version below 1.0 on physionet.org",
    "siim": "SIIM-ACR Pneumothorax: kaggle.com/c/siim-acr-pneumothorax-segmentation, Kaggle account and competition rules",
    "rsna": "RSNA Pneumonia Detection: kaggle.com/c/rsna-pneumonia-detection-challenge, Kaggle account and competition rules; its "
    "patients, pneumonia-challenge-dataset-mappings_2018.json: RSNA's page of the challenge, rsna.org",
    "mimic": "MIMIC-CXR and MIMIC-CXR-JPG: physionet.org, credentialed access (CITI course and data use agreement)",
    "medmnist": "PneumoniaMNIST of MedMNIST: zenodo.org/records/10519652, CC BY 4.0; pneumoniamnist.npz or a larger size",
    "kermany": "Kermany's chest films of children: data.mendeley.com/datasets/rscbjbr9sj, CC BY 4.0; ChestXRay2017, unpacked",
    "vindr-pcxr": "VinDr-PCXR: physionet.org/content/vindr-pcxr, credentialed access (CITI course and data use agreement)",
    "chestxdet": "ChestX-Det: github.com/Deepwise-AILab/ChestX-Det-Dataset, Apache 2.0; lung and heart masks: a table of CheXmask "
    "form, which a segmenter of your choice writes",
    "vindr-cxr": "VinDr-CXR: physionet.org/content/vindr-cxr, credentialed access (CITI course and data use agreement)",
    "chexlocalize": "CheXlocalize: stanfordaimi.azurewebsites.net, with CheXpert's validation and test films; Stanford research use "
    "agreement (a form, free of charge)",
    "folder": "your own films: one CSV with columns image_id, file, patient_id and one a label; see docs/own-data.md",
}


def check_format(format: str) -> None:
    """Raise InputError unless `format` is known, naming the nearest one that is."""
    if format not in READERS:
        raise InputError(
            f"format {format!r} is unknown{_nearest(format, READERS)}; expected one of {', '.join(READERS)}"
        )


def reader_settings(format: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the reader's keys of `format`, defaults filled in; raises InputError for an unknown format, key or value."""
    check_format(format)
    known = READERS[format]
    given = given or {}
    for key in given:
        if key not in known:
            raise InputError(
                f"reader key {key!r} of format {format} is unknown{_nearest(key, known)}; expected one of {', '.join(known)}"
            )
        check_value(key, given[key], known[key], key in TABLE_KEYS[format])
    return {**known, **given}


def tables(format: str, root: str | Path, reader: Mapping[str, Any] | None = None) -> list[Path]:
    """Return the table files that a dataset of `format` below `root` is read from; a key set to null is left out.

    Where only the gzipped table (`x.csv.gz`) is there, as PhysioNet ships it, that is the path returned.
    """
    settings = reader_settings(format, reader)
    names = [settings[key] for key in TABLE_KEYS[format] if settings[key]]
    return [table_path(root, str(name)) for name in names]


def table_path(root: str | Path, name: str) -> Path:
    """Return the path of one table below `root` (an absolute name stays itself), or of its gzipped form if only that exists."""
    path = Path(root, name)
    zipped = path.with_name(path.name + ".gz")
    return zipped if not path.exists() and zipped.exists() else path


def where_to_get(format: str) -> str:
    """Return one line that says where data of `format` are to be had and what it takes."""
    check_format(format)
    return WHERE[format]


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""
