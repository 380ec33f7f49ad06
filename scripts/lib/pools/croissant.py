"""Croissant metadata of an exported pool (croissant.json): what its files and columns are, in the form that data set searches read.

Croissant 1.1, docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html. Licence and authors are left to whoever publishes.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAME = "croissant.json"
CONFORMS = "http://mlcommons.org/croissant/1.1"
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
MEANINGS = {
    "image_id": "a name of its own for each image",
    "file": "the picture, below this folder",
    "report": "the text that the image was asked to show",
    "mask_file": "the mask of the target, below this folder",
    "condition_id": "digest of what was asked for",
    "sample": "number of the repeat",
    "trial": "trial of the study that is given the image",
    "position": "place in that trial",
    "kind": "what the image was made from: text, mask, both or class",
    "sha256": "digest of its pixels and shape",
}
NUMBERS = ("sample", "trial", "position")


def croissant(folder: Path, name: str, about: str, labels: Sequence[str], table: str) -> dict[str, Any]:
    """Return the metadata of an exported folder: `labels` are columns of its `table` with 1, 0 or nothing.

    The digest of the table is that of the file as it lies there, so write it before. Masks are a file set where there are some.
    """
    path = folder / table
    with path.open(newline="", encoding="utf-8") as stream:
        columns = next(csv.reader(stream), [])
    files = [_table(path), _pictures("pictures", "images/*.png", "the images, 8-bit grey")]
    if (folder / "masks").is_dir():
        files.append(_pictures("masks", "masks/*/*.png", "masks by structure, 0 or 255"))
    record = {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "one record an image",
        "key": {"@id": "images/image_id"},
        "field": [_field(one, one in labels) for one in columns],
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": name,
        "description": about,
        "url": "https://example.org/for-you-to-say",
        "license": "for you to say",
        "creator": {"@type": "sc:Person", "name": "for you to say"},
        "datePublished": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": "1.0.0",
        "citeAs": "for you to say",
        "rai:dataCollection": "Synthetic: a model made every image; none was taken of a patient. README.md says what taught it.",
        "distribution": files,
        "recordSet": [record],
    }


def _table(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": "table",
        "name": path.name,
        "description": "one row an image",
        "contentUrl": path.name,
        "encodingFormat": "text/csv",
        "contentSize": f"{path.stat().st_size} B",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _pictures(name: str, includes: str, about: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": about,
        "encodingFormat": "image/png",
        "includes": includes,
    }


def _field(column: str, is_label: bool) -> dict[str, Any]:
    meaning = (
        "1 where it was asked for, 0 where not, empty where nothing was said" if is_label else MEANINGS.get(column, "")
    )
    number = is_label or column in NUMBERS
    return {
        "@type": "cr:Field",
        "@id": f"images/{column}",
        "name": column,
        "description": meaning,
        "dataType": "sc:Integer" if number else "sc:Text",
        "source": {"fileObject": {"@id": "table"}, "extract": {"column": column}},
    }


def write_croissant(folder: Path, name: str, about: str, labels: Sequence[str], table: str) -> None:
    """Write croissant.json into an exported folder whose other files are there."""
    text = json.dumps(croissant(folder, name, about, labels, table), indent=1, ensure_ascii=False)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
