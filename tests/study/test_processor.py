"""`precision: auto` becomes what suits the machine, once for a results folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scripts import measure_processor
from scripts.lib.core.errors import InputError
from scripts.lib.downstream.predict import place_trial
from scripts.lib.study import processor
from scripts.lib.study.config import load_study, stage
from scripts.lib.training.devices import place
from scripts.lib.training.settings import Section

ROOT = Path(__file__).resolve().parents[2]


def test_auto_is_replaced_at_every_depth_and_nothing_else():
    config = {"base": {"precision": "auto", "vae": {"speed": "auto"}}, "dpo": {"precision": "bf16"}, "device": "auto"}
    assert processor.asks(config)
    assert processor.resolved(config, "fp32") == {
        "base": {"precision": "fp32", "vae": {"speed": "auto"}},
        "dpo": {"precision": "bf16"},
        "device": "auto",
    }
    assert not processor.asks(processor.resolved(config, "bf16"))
    assert processor.asks(stage(load_study([ROOT / "config.yaml"]), "trials", "rsna"))


@pytest.mark.parametrize(
    ("speedup", "wanted"), [(0.06, "fp32"), (1.0, "fp32"), (1.49, "fp32"), (1.5, "bf16"), (8.0, "bf16")]
)
def test_bf16_must_be_clearly_faster(speedup, wanted):
    assert processor.choice(speedup) == wanted


def test_what_was_measured_first_stays(tmp_path, monkeypatch):
    path = tmp_path / "results" / "processor.json"
    assert processor.precision_here(0, dry=True, path=path) == "fp32" and not path.parent.exists()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    first = processor.precision_here(0, dry=False, path=path)
    found = json.loads(path.read_text())
    assert found["precision"] == first == processor.choice(found["bf16_speedup"]) and found["processor"]
    path.write_text(json.dumps({**found, "precision": "bf16"}))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("measured again"))
    assert processor.precision_here(0, dry=False, path=path) == "bf16"
    assert processor.precision_here(2, dry=False, path=tmp_path / "none.json") == "bf16"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"precision": "fp16"}', '{"precision": null}', "3"])
def test_a_damaged_file_is_one_line(tmp_path, text):
    path = tmp_path / "processor.json"
    path.write_text(text)
    with pytest.raises(InputError, match="delete the file to measure again"):
        processor.precision_here(0, dry=True, path=path)


def test_a_failed_measurement_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match="or write precision: fp32"):
        processor.precision_here(0, dry=False, path=tmp_path / "processor.json")


def test_the_command_says_what_it_found(tmp_path, capsys):
    measure_processor.main(["--out", str(tmp_path / "deep" / "processor.json")])
    assert "times the speed of fp32" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="what a processor does")
@pytest.mark.parametrize(
    ("asked", "wanted"), [("auto", torch.float32), ("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_commands_by_hand_take_auto_as_fp32_on_a_processor(asked, wanted):
    assert place(Section({"device": "auto", "precision": asked}, "base")).dtype == wanted
    assert place_trial({"device": "cpu", "precision": asked}).dtype == wanted
