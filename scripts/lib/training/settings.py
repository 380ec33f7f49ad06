"""A stage's settings as they come from the configuration: complete, or refused with the missing key's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.core.errors import InputError


class Section(dict):
    """A mapping of settings, nested ones included, that names the key which is missing.

    Defaults live in config.yaml and studies/defaults alone, so nothing here has one.
    """

    def __init__(self, values: Mapping[str, Any], name: str) -> None:
        super().__init__(
            {
                key: Section(value, f"{name}.{key}") if isinstance(value, Mapping) else value
                for key, value in values.items()
            }
        )
        self.name = name

    def __missing__(self, key: str) -> Any:
        raise InputError(
            f"settings: {self.name}.{key} is missing; config.yaml and studies/defaults have every key with its default"
        )

    def one_of(self, key: str, *allowed: str) -> str:
        """Return the setting `key`, which must be one of `allowed`."""
        if self[key] not in allowed:
            raise InputError(f"settings: {self.name}.{key} = {self[key]!r}; expected one of {', '.join(allowed)}")
        return self[key]
