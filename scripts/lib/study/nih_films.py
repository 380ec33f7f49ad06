"""Datasets whose films come from NIH ChestX-ray14: does the study know whose they are, so that a person of two is found?

RSNA's pneumonia challenge, SIIM-ACR and ChestX-Det took their films from there under names of their own (docs/leakage.md).

Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.sources import PHANTOM

NIH_FORMATS = ("rsna", "siim", "chestxdet")


def unlinked_films(config: Mapping[str, Any]) -> list[str]:
    """Return one line for each dataset of NIH's films that nothing links to NIH's patients, while another has such films, too."""
    links, used = config["leakage"]["links"], _used(config)
    own = [name for name, section in used.items() if section["format"] in NIH_FORMATS and section["root"] != PHANTOM]
    registers = {link["to"] for link in links if link["dataset"] in own}
    others = [name for name in used if name in registers]
    others += [link["dataset"] for link in links if link["to"] in registers and link["dataset"] in used]
    family = list(dict.fromkeys([*own, *others]))
    unknown = [name for name in own if not any(_says_whose(used[name], name, link) for link in links)]
    return [
        f"{name}: its films are NIH ChestX-ray14's, as are films of {', '.join(one for one in family if one != name)}; no entry "
        "of leakage.links says whose they are, so a person of both is not found; docs/leakage.md"
        for name in unknown
        if len(family) > 1
    ]


def _used(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the sections of the datasets with films of their own that the study trains or tests with."""
    study = config["study"]
    sections = {name: config["datasets"][name] for name in dict.fromkeys([*study["datasets"], *study["foundation"]])}
    return {name: section for name, section in sections.items() if "cohort" not in section}


def _says_whose(section: Mapping[str, Any], name: str, link: Mapping[str, Any]) -> bool:
    """Whether a link gives a dataset's films NIH's numbers: without a table the patients of its own header are none."""
    return link["dataset"] == name and bool(link.get("table") or section.get("reader", {}).get("patients"))
