"""What a rater reads and tries before the first set: what 0 to 5 mean, with an example of each, and three training sets.

All pictures are drawn by the phantom, so that no film or image of the study is seen before it is judged.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from scripts.lib.core.seeds import rng
from scripts.lib.feedback.app.pictures import data_url, structures_of
from scripts.lib.phantom.film import draw_film
from scripts.lib.phantom.spec import Film, FilmSpec, Finding
from scripts.lib.phantom.study import draw_patient

Pixels = NDArray[np.uint8]
SIDES = (64, 256)  # smallest and largest side of the drawn pictures
SEED = 3  # of what is drawn here
ANCHORS = {
    5: ("shows all that the text says, and could be a real film", "every edge lies on the outline"),
    4: ("shows it; small flaws that do not disturb", "edges leave the outline a little, in one place"),
    3: ("shows it, but side, extent or anatomy is doubtful", "edges clearly leave the outline in one place"),
    2: ("a chest film, but what the text says is hardly to be seen", "edges leave the outline in several places"),
    1: ("hardly a chest film, or it shows something else", "shape and place agree only roughly"),
    0: ("no chest film, or of no use", "the outline has nothing to do with the picture"),
}
STRUCTURES = ("lungs", "heart")


@cache
def guide(side: int) -> dict[str, Any]:
    """Return {anchors, training} for pictures of about the study's side in pixels.

    anchors   [{score, text, mask, picture}], 5 first; the picture shows the quality of the score in a normal film
    training  three sets as the page shows them, with the scores that are meant and why: {aspects, prompt, images, mask,
              wanted: {aspect: [score]}, why: [text]}
    """
    side = min(max(side, SIDES[0]), SIDES[1])
    normal = _film((), side)
    anchors = [
        {"score": score, "text": text, "mask": mask, "picture": data_url(degraded(normal.image, score))}
        for score, (text, mask) in ANCHORS.items()
    ]
    return {"anchors": anchors, "training": [_text_set(side), _mask_set(normal), _both_set(normal)]}


def degraded(film: Pixels, score: int) -> Pixels:
    """Return a film as an image of this quality, 5 (the film itself) to 0 (noise); uint8 of the same shape."""
    if score >= 5:
        return film
    side, stream = film.shape[0], rng(SEED, "degraded", score)
    if score == 0:
        return stream.integers(0, 256, film.shape).astype(np.uint8)
    blur = {4: 0.0, 3: side / 90, 2: side / 40, 1: side / 16}[score]
    noise = {4: 7.0, 3: 10.0, 2: 18.0, 1: 35.0}[score]
    soft = np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)
    return np.clip(soft + stream.normal(0, noise, film.shape), 0, 255).astype(np.uint8)


def _film(findings: tuple[Finding, ...], side: int, patient: int = 1) -> Film:
    spec = FilmSpec(draw_patient(patient, rng(SEED, "patient", patient)), findings, "PA", 1, 1, "train", SEED)
    return draw_film(spec, side, rng(SEED, "film", patient))


def _text_set(side: int) -> dict[str, Any]:
    right = _film((Finding("pleural effusion", "right", 0.8),), side).image
    left = _film((Finding("pleural effusion", "left", 0.8),), side).image
    shown = [
        (left, 2, "an effusion, but on the left: the left of the patient is on the right of the picture"),
        (right, 5, "an effusion on the right, in a clean film"),
        (degraded(right, 3), 3, "the same, but blurred: its extent is doubtful"),
        (_film((), side).image, 1, "a clean film without an effusion: it shows something else"),
    ]
    return _training(["text"], "Right pleural effusion", shown, None)


def _mask_set(film: Film) -> dict[str, Any]:
    step = film.image.shape[0] / 32
    shown = [
        (_moved(film.image, 2 * step), 2, "the whole picture lies beside the outline"),
        (film.image, 5, "every edge lies on the outline"),
        (_moved(film.image, 6 * step), 0, "the outline has nothing to do with this picture"),
        (_moved(film.image, step), 3, "edges clearly leave the outline on one side"),
    ]
    return _training(["mask"], None, shown, film)


def _both_set(film: Film) -> dict[str, Any]:
    step = film.image.shape[0] / 32
    both = [
        (film.image, 5, 5, "a clean normal film on its outline"),
        (degraded(film.image, 2), 2, 5, "hard to read, but its edges lie on the outline: two answers"),
        (_moved(film.image, 2 * step), 5, 2, "a clean normal film, beside its outline"),
        (degraded(film.image, 0), 0, 0, "no chest film"),
    ]
    training = _training(["text", "mask"], "Normal chest", [(image, text, why) for image, text, _, why in both], film)
    training["wanted"]["mask"] = [mask for _, _, mask, _ in both]
    return training


def _training(
    aspects: list[str], prompt: str | None, shown: list[tuple[Pixels, int, str]], film: Film | None
) -> dict[str, Any]:
    mask = None
    if film is not None:
        field = np.zeros(film.image.shape, np.uint8)
        for bit, name in enumerate(STRUCTURES):
            field |= film.masks[name].astype(np.uint8) << bit
        bits = {name: 1 << bit for bit, name in enumerate(STRUCTURES)}
        mask = {"picture": data_url(field), "structures": structures_of(bits, field)}
    return {
        "aspects": aspects,
        "prompt": prompt,
        "images": [data_url(image) for image, _, _ in shown],
        "mask": mask,
        "wanted": {aspects[0]: [score for _, score, _ in shown]},
        "why": [why for _, _, why in shown],
    }


def _moved(film: Pixels, pixels: float) -> Pixels:
    """Return a film moved to the right; what comes in on the left is its first column."""
    by = max(1, round(pixels))
    return np.concatenate([np.repeat(film[:, :1], by, axis=1), film[:, :-by]], axis=1)
