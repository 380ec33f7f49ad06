"""PneumoniaMNIST: one .npz with the films of children and their labels, in the order of the patients."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from scripts.lib.phantom.spec import FilmSpec
from scripts.lib.phantom.writers.tree import Tree

SPLITS = {"train": "train", "validate": "val", "test": "test"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time that every member of the archive carries, so that equal films give equal bytes


def shrink(image: NDArray[np.uint8], side: int, sharpness: float) -> NDArray[np.uint8]:
    """Return the film at `side` pixels; `sharpness` from 0 to 1 sharpens it as films of another machine are."""
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    if sharpness:
        small = small.filter(ImageFilter.UnsharpMask(radius=1.5, percent=round(200 * sharpness), threshold=0))
    return np.asarray(small, dtype=np.uint8)


def write_tree(tree: Tree) -> None:
    """Draw every film and write the file under `tree.root`; `shortcut` makes films with a finding sharper than the others."""
    side, shortcut = tree.settings["side"], tree.settings["shortcut"]
    films: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in SPLITS.values()}
    labels: dict[str, list[int]] = {name: [] for name in SPLITS.values()}
    for spec in tree.track(tree.films):
        split = SPLITS[spec.split]
        films[split].append(shrink(tree.draw(spec).image, side, shortcut * label_of(spec)))
        labels[split].append(label_of(spec))
    tree.root.mkdir(parents=True, exist_ok=True)
    name = "pneumoniamnist.npz" if side == 28 else f"pneumoniamnist_{side}.npz"
    with zipfile.ZipFile(tree.root / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for split in SPLITS.values():
            images = np.array(films[split], dtype=np.uint8).reshape(-1, side, side)
            _add(archive, f"{split}_images", images)
            _add(archive, f"{split}_labels", np.array(labels[split], dtype=np.uint8).reshape(-1, 1))


def label_of(spec: FilmSpec) -> int:
    """Return 1 for a film with pneumonia, else 0."""
    return int(spec.finding("pneumonia") is not None)


def _add(archive: zipfile.ZipFile, name: str, array: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(member, buffer.getvalue())
