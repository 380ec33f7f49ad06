"""The GPU benchmark runs on the CPU at tiny shapes, through the same code, and fills all of its tables."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("diffusers")

from benchmarks import gpu


def test_every_part_runs_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu_sampling.LEVERS", {"none": {}, "channels_last": {"channels_last": True}})
    tiny = ["--device", "cpu", "--tiny", "--precision", "fp32", "--repeats", "1"]
    gpu.main([*tiny, "--out", str(tmp_path / "gpu.md"), "--rates", str(tmp_path / "gpu.json")])
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert [one["kind"] for one in found["sampling"]] == ["text", "mask", "both"]
    for one in found["sampling"]:
        assert set(one["ours"]) == set(one["stock"]) == {"1", "2"} and min(one["ours"].values()) > 0
        assert one["operations"] > 0 and one["floor"] > 0
    text, mask, both = (one["operations"] for one in found["sampling"])
    assert both > text and both > mask  # both halves of the guidance pass the ControlNet; text alone never does
    assert [row[0] for row in found["levers"]] == ["none", "channels_last"] and found["levers"][0][2] == 1
    assert found["controlnet"][0]["rate"] > 0
    assert [one["model"].split()[1] for one in found["trials"]] == ["classification", "segmentation"]
    for title in ("Sampling", "Batch shape", "Switches", "ControlNet training", "Downstream trainings"):
        assert f"### {title}" in (tmp_path / "gpu.md").read_text()
