"""What a rule's command reads stands among its inputs: else a job starts before it is there."""

from __future__ import annotations

import re
from pathlib import Path

RULES = Path(__file__).resolve().parents[2] / "rules"
KEPT = "ask(STUDY.kept)"
SOURCES = "ask(STUDY.trial_sources)"  # shards, the list of kept images and what else a trial reads


def test_the_list_of_kept_images_is_an_input_of_the_rules_that_read_it() -> None:
    reading = []
    for file in sorted(RULES.glob("*.smk")):
        for name, text in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.MULTILINE | re.DOTALL):
            inputs, _, params = text.partition("    params:\n")
            if KEPT in params:
                reading.append(name)
                assert KEPT in inputs or SOURCES in inputs, (
                    f"{file.name}: {name} reads the list, and may start before it is made"
                )
    assert "measure_fidelity" in reading and len(reading) > 1
