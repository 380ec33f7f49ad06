"""Sets to rate: four images of one condition each, from captions and masks that the generator has not seen.

Two tables: the conditions (an ordinary conditions table, one row an image, with the column set_id), and the sets, among
them controls: four real films, which look like any other set and say how high the raters score what is true.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scripts.lib.cohort.store import Cohort
from scripts.lib.conditions.masks import transform_text
from scripts.lib.conditions.plan import KINDS
from scripts.lib.conditions.rows import TEXTS, condition_id
from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash
from scripts.lib.feedback.caption_rules import NORMAL, mentions
from scripts.lib.feedback.log_values import IMAGES
from scripts.lib.feedback.sets_films import (
    MaskFilm,
    largest_remainder,
    mask_films,
    pick_captions,
    pick_controls,
    pick_masks,
)

CONTROL = "control"
NO_TRIAL = -1  # rated images serve no trial
SET_COLUMNS = ("set_id", "kind", "prompt", "mask_source", "condition_id", "labels", "films", "dataset")
UNCHANGED = transform_text({})


@dataclass
class SetToRate:
    """One set before it has a number: `dataset` is that of its mask, or of a control's films."""

    kind: str
    prompt: str | None = None
    film: MaskFilm | None = None
    dataset: str | None = None
    films: tuple[str, ...] | None = None

    @property
    def side(self) -> str | None:
        """The side that the condition names: the mask's, else the caption's first."""
        if self.film is not None:
            return self.film.side
        sides = [mention.side for mention in mentions(self.prompt)]
        return sides[0] if sides and sides[0] in ("left", "right") else None


def draw_sets(
    captions: pd.DataFrame, cohorts: Sequence[Cohort], settings: Mapping[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (conditions, sets); the same for any order of the captions, cohorts and their films.

    `captions` has the columns of captions.parquet. `settings`: sets, images, kinds, splits, mask_dataset, mask_target,
    positive_share, normal_share, control_share. Raises InputError where films, masks or captions do not suffice.
    """
    _check(captions, cohorts, settings)
    by_name = {str(cohort.meta.get("dataset")): cohort for cohort in cohorts}
    cohort = by_name[settings["mask_dataset"]]
    counts = largest_remainder({kind: float(settings["kinds"].get(kind, 0)) for kind in KINDS}, settings["sets"])
    drawn: dict[str, list[SetToRate]] = {kind: [] for kind in KINDS}
    drawn["text"] = [
        SetToRate("text", prompt) for prompt in pick_captions(captions, counts["text"], settings["normal_share"], seed)
    ]
    if counts["mask"] + counts["both"]:
        drawn |= _masked(captions, cohort, settings, counts, seed)
    controls = pick_controls(captions, round(settings["control_share"] * settings["sets"]), settings["images"], seed)
    drawn[CONTROL] = [SetToRate(CONTROL, one.caption, None, one.dataset, one.image_ids) for one in controls]
    ordered = _mixed(drawn)
    ids = _identities(ordered)
    names = [f"set-{number:04d}" for number in range(len(ordered))]
    labels = [_labels(one, cohort) for one in ordered]
    return (
        _conditions(ordered, names, ids, labels, cohort, settings["images"]),
        _sets(ordered, names, ids, labels),
    )


def films_behind(captions: pd.DataFrame, cohorts: Sequence[Cohort], sets: pd.DataFrame) -> list[np.ndarray]:
    """Return, for each cohort, the rows of the films whose masks and reports the rated images were made from.

    Many reports may have one caption, and each of them had its part in the choice: all films with the caption of a set count.
    The films of controls count too, as raters have seen them.
    """
    prompts = set(sets["prompt"].dropna())
    films = []
    for cohort in cohorts:
        name = str(cohort.meta.get("dataset"))
        captioned = captions[(captions["dataset"] == name) & captions["caption"].isin(prompts)]
        here = sets[sets["dataset"] == name]
        shown = {film for text in here["films"].dropna() for film in json.loads(text)}
        wanted = {*captioned["image_id"], *here["mask_source"].dropna(), *shown}
        films.append(np.flatnonzero(cohort.index["image_id"].isin(wanted).to_numpy()))
    return films


def _check(captions: pd.DataFrame, cohorts: Sequence[Cohort], settings: Mapping[str, Any]) -> None:
    names = [str(cohort.meta.get("dataset")) for cohort in cohorts]
    if settings["mask_dataset"] not in names:
        raise InputError(f"sets.mask_dataset = {settings['mask_dataset']!r}: not among the cohorts given, {names}")
    if settings["sets"] < 1 or not 2 <= settings["images"] <= IMAGES:
        raise InputError(
            f"sets.sets = {settings['sets']}, images = {settings['images']}: expected 1 set or more, of 2 to {IMAGES} images"
        )
    for key in ("positive_share", "normal_share", "control_share"):
        if not 0 <= settings[key] <= 1:
            raise InputError(f"sets.{key} = {settings[key]}: expected a share from 0 to 1")
    for cohort, name in zip(cohorts, names):
        captioned = captions.loc[captions["dataset"] == name, "image_id"]
        split = cohort.index.set_index("image_id")["split"].reindex(captioned)
        strangers = captioned[~split.isin(settings["splits"].get(name, ())).to_numpy()]
        if len(strangers):
            raise InputError(
                f"captions: {len(strangers)} films of {name} are not held out, e.g. {strangers.iloc[0]}; write the captions "
                f"anew with feedback.splits.{name} = {settings['splits'].get(name)}"
            )
    unknown = sorted(set(captions["dataset"]) - set(names))
    if unknown:
        raise InputError(f"captions are of cohorts {unknown} too, which are not given with --cohorts (only {names})")


def _masked(
    captions: pd.DataFrame, cohort: Cohort, settings: Mapping[str, Any], counts: Mapping[str, int], seed: int
) -> dict[str, list[SetToRate]]:
    """Return the sets of kind mask and both; a film serves one set at most."""
    dataset, bit = settings["mask_dataset"], cohort.bit(settings["mask_target"])
    films = mask_films(cohort, settings["splits"], settings["mask_target"])
    here = captions[captions["dataset"] == dataset]
    if not settings["normal_share"]:
        here = here[here["caption"] != NORMAL]
    caption = dict(zip(here["image_id"], here["caption"]))
    both = pick_masks([film for film in films if film.image_id in caption], counts["both"], bit, settings, "both", seed)
    used = {film.image_id for film in both}
    rest = [film for film in films if film.image_id not in used]
    alone = pick_masks(rest, counts["mask"], bit, settings, "mask", seed)
    return {
        "mask": [SetToRate("mask", None, film, dataset) for film in alone],
        "both": [SetToRate("both", caption[film.image_id], film, dataset) for film in both],
    }


def _mixed(drawn: Mapping[str, Sequence[SetToRate]]) -> list[SetToRate]:
    """Return all sets, the kinds spread evenly, so that neither a number nor a part of the list tells the kind."""
    keyed = [
        ((place + 0.5) / len(of_kind), rank, one)
        for rank, of_kind in enumerate(drawn.values())
        for place, one in enumerate(of_kind)
    ]
    return [one for _, _, one in sorted(keyed, key=lambda entry: entry[:2])]


def _identities(ordered: Sequence[SetToRate]) -> list[str | None]:
    """Return a condition_id for each set, None for controls.

    The first set of a condition has the ordinary identity. A caption that comes again gets one of its own, derived
    from it, so that its samples 0..3 are other images.
    """
    seen: dict[str, int] = {}
    ids: list[str | None] = []
    for one in ordered:
        if one.kind == CONTROL:
            ids.append(None)
            continue
        first = condition_id(one.prompt, one.film.sha256 if one.film else None, UNCHANGED if one.film else None)
        draw = seen[first] = seen.get(first, -1) + 1
        ids.append(content_hash(first, "draw", draw) if draw else first)
    return ids


def _labels(one: SetToRate, cohort: Cohort) -> dict[str, int | None]:
    """Return the labels of a set: the mask says which of its structures are there, the caption what else it names.

    What a caption does not name counts as absent; of what a mask alone cannot show nothing is known.
    """
    named = {mention.label for mention in mentions(one.prompt) if mention.label is not None}
    labels: dict[str, int | None] = dict.fromkeys(sorted(named), 1)
    for name in cohort.labels:
        if one.film is not None and name in cohort.structures:
            labels[name] = int(bool(one.film.present & cohort.bit(name)))
        else:
            labels[name] = None if one.prompt is None else int(name in named)
    return labels


def _conditions(
    ordered: Sequence[SetToRate],
    names: Sequence[str],
    ids: Sequence[str | None],
    labels: Sequence[Mapping[str, int | None]],
    cohort: Cohort,
    images: int,
) -> pd.DataFrame:
    rows = []
    for one, name, identity, label in zip(ordered, names, ids, labels):
        if one.kind == CONTROL:
            continue
        row = {"condition_id": identity, "trial": NO_TRIAL, "kind": one.kind, "prompt": one.prompt}
        row |= {"mask_source": one.film.image_id if one.film else None, "transform": UNCHANGED if one.film else None}
        row |= {column: label[column] for column in cohort.labels} | {"side": one.side, "set_id": name}
        rows += [row | {"sample": sample} for sample in range(images)]
    table = pd.DataFrame(rows).assign(position=range(len(rows)))
    head = ["condition_id", "position", "trial", "sample", "kind", "prompt", "mask_source", "transform"]
    kinds = {"position": "int64", "trial": "int64", "sample": "int64", "set_id": "string"}
    kinds |= dict.fromkeys(TEXTS, "string") | dict.fromkeys(cohort.labels, "Int8")
    return table[[*head, *cohort.labels, "side", "set_id"]].astype(kinds)


def _sets(
    ordered: Sequence[SetToRate],
    names: Sequence[str],
    ids: Sequence[str | None],
    labels: Sequence[Mapping[str, int | None]],
) -> pd.DataFrame:
    rows = [
        (
            name,
            one.kind,
            one.prompt,
            one.film and one.film.image_id,
            identity,
            json.dumps(label, sort_keys=True),
            None if one.films is None else json.dumps(one.films),
            one.dataset,
        )
        for one, name, identity, label in zip(ordered, names, ids, labels)
    ]
    return pd.DataFrame(rows, columns=SET_COLUMNS).astype("string")
