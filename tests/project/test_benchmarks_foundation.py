"""The variants of the foundation model are settings that the workflow takes, and are trained once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import foundation
from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config


@pytest.mark.parametrize("name", foundation.VARIANTS)
def test_a_variant_changes_steps_batches_and_rates_alone(name: str) -> None:
    changes = foundation.VARIANTS[name]
    plain = study_config.load_study([foundation.ROOT / "config.yaml"])
    assert set(changes) <= {"base", "controlnet", "on"} and changes.get("on", "long") in foundation.VARIANTS
    sections = [*changes.get("base", {}).items(), ("controlnet", changes["controlnet"])]
    for section, keys in sections:
        known = plain["controlnet"] if section == "controlnet" else plain["base"][section]
        assert set(keys) <= {"steps", "batch_size", "learning_rate", "ema", "matrices"} & set(known)


def test_the_commands_get_the_settings_of_their_variant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def command(module: str, *arguments: object) -> float:
        asked.append([module, *map(str, arguments)])
        return float(len(asked))

    monkeypatch.setattr(foundation, "command", command)
    name = "ControlNet 650 x 16"
    assert foundation.train("third", tmp_path, tmp_path / "third") == {"base": 1.0, "controlnet": 2.0}
    assert foundation.train(name, tmp_path, tmp_path / name) == {"controlnet": 3.0}
    assert foundation.train(name, tmp_path, tmp_path / name) == {"controlnet": 3.0}, "a second call finds the first"
    base, control, alone = (dict(zip(words[1::2], words[2::2])) for words in asked)
    assert json.loads(base["--config"])["unet"]["steps"] == 450 and json.loads(base["--config"])["precision"] == "fp32"
    assert control["--base"] == str(tmp_path / "third/base") and json.loads(control["--config"])["batch_size"] == 16
    assert alone["--base"] == str(tmp_path / "long/base") and json.loads(alone["--config"])["steps"] == 650

    (tmp_path / "processor.json").write_text('{"precision": "bf16"}')
    given = tmp_path / "results" / "base"
    assert foundation.train(name, tmp_path, tmp_path / "on" / name, given=given) == {"controlnet": 4.0}
    words = dict(zip(asked[-1][1::2], asked[-1][2::2]))
    assert words["--base"] == str(given) and json.loads(words["--config"])["precision"] == "bf16"
    with pytest.raises(InputError, match="models of other settings"):
        foundation.train(name, tmp_path, tmp_path / "on" / name)
