"""The GPU benchmark runs on the CPU at tiny shapes, through the same code, and fills all of its tables."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("diffusers")

from benchmarks import gpu, gpu_model
from benchmarks.gpu_rates import study_like
from scripts.lib.planning.rates import rate_of, read_rates
from scripts.lib.planning.shapes import SD15, shape_of


def test_every_part_runs_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu_sampling.LEVERS", {"none": {}, "channels_last": {"channels_last": True}})
    tiny = ["--device", "cpu", "--tiny", "--precision", "fp32", "--repeats", "1"]
    gpu.main(
        [
            *tiny,
            "--out",
            str(tmp_path / "gpu.md"),
            "--json",
            str(tmp_path / "gpu.json"),
            "--rates",
            str(tmp_path / "toy.yaml"),
        ]
    )
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [one["kind"] for one in found["sampling"]] == ["text", "mask", "both"]
    for one in found["sampling"]:
        assert set(one["ours"]) == set(one["stock"]) == {"1", "2"} and min(one["ours"].values()) > 0
        assert one["operations"] > 0 and one["floor"] > 0
    text, mask, both = (one["operations"] for one in found["sampling"])
    assert both > text and both > mask  # both halves of the guidance pass the ControlNet; text alone never does
    assert [row[0] for row in found["levers"]] == ["none", "channels_last"] and found["levers"][0][2] == 1
    assert [name for name, _ in found["writing"]] == ["in turn", "behind"] and min(
        rate for _, rate in found["writing"]
    ) > 0
    assert found["controlnet"][0]["rate"] > 0
    assert [one["model"].split()[1] for one in found["trials"]] == ["classification", "segmentation"]
    for title in ("Sampling", "Batch shape", "Switches", "Whole shards", "ControlNet training", "Downstream trainings"):
        assert f"### {title}" in (tmp_path / "gpu.md").read_text()
    check_rates(read_rates("toy", tmp_path), found)


def check_rates(rates, found):
    assert rates["machine"]["name"] == "toy" and rates["machine"]["gpu"] is None
    sampled = rates["rates"]["sample_pool"]["units"]
    assert {one["unit"] for one in sampled} == {"text image", "mask image", "both image"} and len(sampled) == 6
    shape = next(one["shape"] for one in sampled if one["shape"]["micro_batch"] == 2)
    assert shape["unet"] == {"channels": [8, 16, 16, 16], "layers": 1, "attention": [True, True, True, False], "heads": 2, "text": 16}  # fmt: skip
    assert (shape["resolution"], shape["steps"], shape["precision"], shape["guided"]) == (32, 2, "fp32", True)
    assert rate_of(rates, "sample_pool", "both image", shape) == pytest.approx(found["sampling"][2]["ours"]["2"])
    (control,) = rates["rates"]["train_controlnet"]["units"]
    assert control["shape"]["batch_size"] == 2 and control["per_second"] * 2 == pytest.approx(
        found["controlnet"][0]["rate"]
    )
    trials = rates["rates"]["train_trials"]["units"]
    assert [one["shape"]["task"] for one in trials] == ["classification", "segmentation"]
    assert [one["shape"]["model"]["encoder"] for one in trials] == ["resnet18", "resnet18"]
    assert trials[0]["shape"]["resolution"] == 32 and trials[0]["shape"]["batch_size"] == 4


def test_stable_diffusion_has_the_shape_that_a_plan_assumes():
    shape = shape_of(study_like(gpu_model.SD15, "bf16"), "sample_pool", None, True)
    assert shape["unet"] == SD15["unet"] and shape["vae"] == SD15["vae"] and shape["resolution"] == 512
