"""Where a mask is coded: its structures cut into parts, each part seen in a frame of its own, as distances to its edge.

A part is a structure, or the half of a finding on one side of the lungs' middle: a finding of both sides has two parts. A part
of the anatomy is seen in the whole film, a finding in the box of the lung on its side, cardiomegaly in the box of the heart. So
a crescent along the edge of a lung lies at the same place of its frame whatever the size and place of the lung.

The distance is positive inside, in pixels of the mask, cut at `reach` and divided by it, so that values lie in [-1, 1]. Decoding
takes what is above 0. There are no colours: structures may overlap, and none is mistaken for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from scripts.lib.conditions.mask_prompts import ANATOMY, MIDLINE, Ask
from scripts.lib.conditions.masks import middle_of
from scripts.lib.core.errors import InputError

MARGIN = 0.25  # share of a box that a frame shows beyond it on each side
SIDES = ("right", "left")  # the patient's own: the image's left half is the patient's right


@dataclass(frozen=True)
class Part:
    """A structure, or its half on one side of the patient; `side` is "" where it is not cut."""

    structure: str
    side: str


@dataclass(frozen=True)
class MaskCode:
    """How fields of `structures` at `resolution` are cut: frames of `grid` x `grid`, distances cut at `reach` pixels."""

    structures: tuple[str, ...]
    resolution: int
    grid: int
    reach: float

    @property
    def parts(self) -> list[Part]:
        """The parts in the order of the structures."""
        whole = {*ANATOMY, *MIDLINE}
        return [Part(name, side) for name in self.structures for side in (("",) if name in whole else SIDES)]

    def frame_of(self, part: Part) -> str:
        """Return the structure in whose box a part is seen, "" for the whole film."""
        if part.structure in ANATOMY:
            return ""
        near = "heart" if part.structure in MIDLINE and "heart" in self.structures else "lungs"
        return near if near in self.structures else ""

    def layer(self, fields: np.ndarray, name: str) -> np.ndarray:
        """Return a structure of fields, uint8 (n, H, W) with bit c = structure c, as bool (n, H, W)."""
        return np.asarray((fields >> np.uint8(self.structures.index(name))) & 1 == 1)

    def cut(self, fields: np.ndarray, part: Part) -> np.ndarray:
        """Return a part of fields, bool (n, H, W)."""
        layer = self.layer(fields, part.structure)
        if part.side:
            middle = self._middles(fields)
            columns = np.arange(fields.shape[2])[None]
            side = columns <= middle[:, None] if part.side == "right" else columns > middle[:, None]
            layer = layer & side[:, None]
        return layer

    def frames(self, fields: np.ndarray, part: Part) -> torch.Tensor:
        """Return where a part is seen, float (n, 4): left, top, right and lower edge in pixels of the mask."""
        name, size = self.frame_of(part), float(self.resolution)
        if not name:
            return torch.tensor([[0.0, 0.0, size, size]]).expand(len(fields), -1)
        boxes = np.array([_box(layer, size) for layer in self.layer(fields, name)]).reshape(-1, 4)
        middles = (boxes[:, 0] + boxes[:, 2]) / 2
        if part.side == "right":
            boxes[:, 2] = middles
        elif part.side == "left":
            boxes[:, 0] = middles
        border = MARGIN * (boxes[:, 2:] - boxes[:, :2])
        return torch.from_numpy(np.concatenate([boxes[:, :2] - border, boxes[:, 2:] + border], 1)).float()

    def maps(self, fields: np.ndarray, part: Part) -> torch.Tensor:
        """Return the distances of a part in its frame, float32 (n, grid, grid)."""
        cut = self.cut(fields, part)
        distances = np.stack([signed_distance(one, self.reach) for one in cut]) if len(cut) else cut.astype(np.float32)
        frames = self.frames(fields, part)
        places = (torch.arange(self.grid) + 0.5) / self.grid
        across, down = (
            2 * (frames[:, k : k + 1] + places * (frames[:, k + 2 : k + 3] - frames[:, k : k + 1])) / self.resolution
            - 1
            for k in (0, 1)
        )
        return _resampled(torch.from_numpy(distances), across, down)[0]

    def layers(self, maps: torch.Tensor, fields: np.ndarray, part: Part) -> np.ndarray:
        """Return the part that maps (n, grid, grid) show, bool (n, H, W), in frames of what `fields` already hold."""
        frames = self.frames(fields, part)
        places = torch.arange(self.resolution) + 0.5
        across, down = (
            2 * (places - frames[:, k : k + 1]) / (frames[:, k + 2 : k + 3] - frames[:, k : k + 1]) - 1 for k in (0, 1)
        )
        whole, inside = _resampled(maps, across, down)
        return ((whole > 0) & inside).numpy()

    def asked(self, asks: Sequence[Ask]) -> torch.Tensor:
        """Return whether each part is asked for, 1 or 0, float (n, parts)."""
        wanted = [
            [float(ask.get(part.structure) in ({part.side, "both"} if part.side else {""})) for part in self.parts]
            for ask in asks
        ]
        return torch.tensor(wanted).reshape(len(asks), len(self.parts))

    def _middles(self, fields: np.ndarray) -> np.ndarray:
        lungs = self.layer(fields, "lungs") if "lungs" in self.structures else [None] * len(fields)
        return np.array([middle_of(one, fields.shape[2]) for one in lungs])


def make_code(structures: Sequence[str], resolution: int, grid: int, reach: float) -> MaskCode:
    """Return the code; raises InputError for structures or sizes that cannot be coded."""
    if len(structures) > 8:
        raise InputError(
            f"masks: {len(structures)} structures, but a mask field has 8 bits; name 8 in datasets.*.structures"
        )
    if grid > resolution:
        raise InputError(f"settings: masks.grid = {grid}; expected at most the {resolution} pixels of the masks")
    return MaskCode(tuple(structures), resolution, grid, float(reach))


def signed_distance(mask: np.ndarray, reach: float) -> np.ndarray:
    """Return the distance of each pixel of a mask, bool (H, W), to its edge over `reach`, positive inside, in [-1, 1].

    The edge lies between pixels: a pixel beside it has half a pixel of distance. Without a mask all is -1, all of it 1.
    """
    if not mask.any():
        return np.full(mask.shape, -1.0, dtype=np.float32)
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] if not mask.all() else reach + 1
    distance = np.where(mask, inside - 0.5, 0.5 - outside)
    return np.clip(distance / reach, -1.0, 1.0).astype(np.float32)


def _box(layer: np.ndarray, size: float) -> tuple[float, float, float, float]:
    ys, xs = np.flatnonzero(layer.any(1)), np.flatnonzero(layer.any(0))
    return (float(xs[0]), float(ys[0]), xs[-1] + 1.0, ys[-1] + 1.0) if len(ys) else (0.0, 0.0, size, size)


def _resampled(maps: torch.Tensor, across: torch.Tensor, down: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return maps (n, h, w) at columns `across` (n, a) and rows `down` (n, d), and where these lie within: (n, d, a) both."""
    count, width, height = len(maps), across.shape[1], down.shape[1]
    grid = torch.stack([across[:, None, :].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)], dim=-1)
    if not count:
        return torch.zeros(0, height, width), torch.zeros(0, height, width, dtype=torch.bool)
    values = torch.nn.functional.grid_sample(
        maps[:, None].float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return values[:, 0], grid.abs().amax(-1) <= 1
