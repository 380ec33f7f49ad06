"""Arms that are like another one: `arms.NAME.like: OTHER` has the keys of OTHER, but for those that NAME sets itself.

So an arm that mixes the images of another in another way follows that arm in every study.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.core.errors import InputError

LIKE = "like"
# An arm that sets one of these itself takes none of what the other says of its images.
ABOUT_IMAGES = ("generator", "source")
OF_IMAGES = ("source", "generator", "filter", "candidates", "masks", "cohort", "path", "reader", "allow_one_class")


def with_likes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with each arm's keys written out; raises InputError for an arm that is like none, or like itself."""
    arms = config["arms"]
    return {**config, "arms": {name: _whole(arms, name, (name,)) for name in arms}}


def _whole(arms: Mapping[str, Any], name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    own = dict(arms[name])
    other = own.pop(LIKE, None)
    if other is None:
        return own
    where = f"config: arms.{name}.like = {other}"
    if other not in arms:
        raise InputError(f"{where}: no such arm; known arms: {', '.join(arms)}")
    if other in seen:
        raise InputError(
            f"{where}: {' is like '.join([*seen, other])}; name an arm that says itself where its images come from"
        )
    theirs = _whole(arms, other, (*seen, other))
    if any(key in own for key in ABOUT_IMAGES):
        theirs = {key: value for key, value in theirs.items() if key not in OF_IMAGES}
    shared = {key: {**value, **own[key]} for key, value in theirs.items() if isinstance(value, Mapping) and key in own}
    return {**theirs, **own, **shared}
