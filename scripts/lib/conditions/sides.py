"""The two sides of a body, as masks, words and films name them."""

from __future__ import annotations

OTHER_SIDE = {"left": "right", "right": "left"}
