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

    def at(self, path: str) -> Any:
        """Return the setting of a dotted key."""
        value: Any = self
        for name in path.split("."):
            value = value[name]
        return value

    def need(self, *paths: str) -> None:
        """Raise InputError with all of these dotted keys that are missing."""
        if missing := [path for path in paths if not self._has(path)]:
            raise InputError(
                f"settings: {', '.join(f'{self.name}.{path}' for path in missing)}: missing; config.yaml and studies/defaults "
                "have every key with its default"
            )

    def _has(self, path: str) -> bool:
        value: Any = self
        for name in path.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return False
            value = value[name]
        return True

    def one_of(self, path: str, *allowed: str) -> str:
        """Return the setting of a dotted key, which must be one of `allowed`."""
        if (value := self.at(path)) not in allowed:
            raise InputError(f"settings: {self.name}.{path} = {value!r}; expected one of {', '.join(allowed)}")
        return str(value)
