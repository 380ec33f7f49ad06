"""The GPU benchmark runs on the CPU at tiny shapes, through the same code, and fills all of its tables."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("diffusers")

from benchmarks import gpu, gpu_levers, gpu_model, gpu_sampling
from benchmarks.gpu_clock import operations_of
from benchmarks.gpu_ledger import Ledger, good
from benchmarks.gpu_operations import parameters_of, sampling_operations
from benchmarks.gpu_profile import kind_of
from benchmarks.gpu_rates import study_like
from scripts.lib.core.errors import InputError
from scripts.lib.generators.controlled.operations import SD15
from scripts.lib.planning.rates import rate_of, read_rates
from scripts.lib.planning.stages import shape_of

TINY = ["--device", "cpu", "--tiny", "--precision", "fp32", "--repeats", "1", "--warm", "0"]
# Published numbers of parameters: diffusers' documentation (U-Net), MLCommons' mobile benchmark (text), the model cards.
PUBLISHED = {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480, "controlnet": 361_279_120}


def test_a_part_runs_on_the_cpu_fills_its_tables_and_is_measured_once(tmp_path):
    files = ["--out", str(tmp_path / "gpu.md"), "--json", str(tmp_path / "gpu.json"), "--folder", str(tmp_path)]
    gpu.main([*TINY, *files, "--parts", "writing"])
    measured = json.loads((tmp_path / "gpu.json").read_text())["measured"]
    assert measured["writing 1"]["rate"] > 0
    assert "### A whole shard, made and written" in (tmp_path / "gpu.md").read_text()
    gpu.main([*TINY, *files, "--parts", "writing", "--seconds", "0"])
    assert json.loads((tmp_path / "gpu.json").read_text())["measured"] == measured


@pytest.mark.long
def test_every_part_runs_on_the_cpu(tmp_path, monkeypatch):
    wanted = ("none", "channels_last", "CUDA graph of a step", "guidance in two passes", "bytes made on the CPU")
    monkeypatch.setattr("benchmarks.gpu_sampling.LEVERS", [one for one in gpu_levers.LEVERS if one.name in wanted])
    monkeypatch.setattr("benchmarks.gpu_sampling.PROFILED", {"no switches": {}})  # to compile takes half a minute
    files = ["--out", str(tmp_path / "gpu.md"), "--json", str(tmp_path / "gpu.json")]
    gpu.main([*TINY, *files, "--folder", str(tmp_path), "--rates", str(tmp_path / "toy.yaml")])
    measured = json.loads((tmp_path / "gpu.json").read_text())["measured"]
    for kind in ("text", "mask", "both"):
        for count in (1, 2):
            for whose in (f"ours {count} no switches", f"stock {count}"):
                assert measured[f"sampling {kind} {whose}"]["median"] > 0
    for name in wanted:
        one = measured[f"lever {name} 1"]
        assert good(one) or (name.startswith("CUDA") and one["failed"] == "RuntimeError: CUDA graphs need a GPU")
    assert measured["writing 1"]["rate"] > 0
    kinds = measured["profile no switches 1"]["kinds"]
    assert kinds["convolution"] > 0 and kinds["attention"] > 0 and kinds["matrix product"] > 0
    text = (tmp_path / "gpu.md").read_text()
    for title in (
        "Sampling",
        "Batch shape",
        "Levers",
        "A whole shard, made and written",
        "Where the time goes, text and mask",
        "ControlNet training",
        "Downstream trainings",
    ):
        assert f"### {title}" in text
    assert "| CUDA graph of a step | 0 | 0 | failed: RuntimeError: CUDA graphs need a GPU |" in text
    check_rates(read_rates("toy", tmp_path), measured)
    gpu.main([*TINY, *files, "--folder", str(tmp_path), "--parts", "sampling", "--seconds", "0"])
    after = json.loads((tmp_path / "gpu.json").read_text())["measured"]
    assert after == measured  # nothing was measured a second time


def check_rates(rates, measured):
    assert rates["machine"]["name"] == "toy" and rates["machine"]["gpu"] is None
    sampled = rates["rates"]["sample_pool"]["units"]
    assert {one["unit"] for one in sampled} == {"text image", "mask image", "both image"} and len(sampled) == 6
    shape = next(one["shape"] for one in sampled if one["shape"]["micro_batch"] == 2)
    assert shape["unet"] == {"channels": [8, 16, 16, 16], "layers": 1, "attention": [True, True, True, False], "heads": 2, "text": 16}  # fmt: skip
    assert (shape["resolution"], shape["steps"], shape["precision"], shape["guided"]) == (32, 2, "fp32", True)
    both = 2 / measured["sampling both ours 2 no switches"]["median"]
    assert rate_of(rates, "sample_pool", "both image", shape) == pytest.approx(both)
    (control,) = rates["rates"]["train_controlnet"]["units"]
    assert control["shape"]["batch_size"] == 2 and control["per_second"] * 2 == pytest.approx(
        measured["controlnet 2"]["rate"]
    )
    trials = rates["rates"]["train_trials"]["units"]
    assert [one["shape"]["task"] for one in trials] == ["classification", "segmentation"]
    assert [one["shape"]["model"]["encoder"] for one in trials] == ["resnet18", "resnet18"]
    assert [one["shape"]["precision"] for one in trials] == ["fp32", "fp32"]  # as TINY asks
    assert trials[0]["shape"]["resolution"] == 32 and trials[0]["shape"]["batch_size"] == 4


def test_a_failure_is_a_row_and_is_measured_again_what_was_measured_is_not(tmp_path):
    path, calls = tmp_path / "ledger.json", []

    def broken():
        raise RuntimeError("no triton\nhere")

    def works():
        calls.append(1)
        return {"rate": 2.0}

    first = Ledger(path, {"machine": "a"})
    assert first.measure("good", works) == {"rate": 2.0}
    assert first.measure("bad", broken) == {"failed": "RuntimeError: no triton here"}
    stored = json.loads(path.read_text())["measured"]
    assert stored == {"good": {"rate": 2.0}, "bad": {"failed": "RuntimeError: no triton here"}}
    second = Ledger(path, {"machine": "a"}, seconds=0)
    assert second.measure("good", works) == {"rate": 2.0} and len(calls) == 1
    assert "failed" in second.measure("bad", works) and second.measure("new", works) is None
    assert second.left == ["bad", "new"]
    third = Ledger(path, {"machine": "a"}, seconds=60)
    assert third.measure("bad", works) == {"rate": 2.0} and len(calls) == 2
    with pytest.raises(InputError, match="measured on .*'a'.*; this run is .*'b'"):
        Ledger(path, {"machine": "b"})


def test_the_networks_have_the_published_sizes():
    assert parameters_of(gpu_model.SD15) == PUBLISHED


def test_operations_on_the_meta_device_are_those_of_the_true_sampler(tmp_path):
    generator = gpu_model.write_generator_folder(tmp_path, gpu_model.TINY)
    bench = gpu_sampling.Bench(generator, gpu_model.TINY, "cpu", "fp32", 1, 0)
    sampler, counted = bench.sampler(2), sampling_operations(gpu_model.TINY)
    for kind in gpu.KINDS:
        requests = bench.requests(kind, 2)
        sampler.micro(requests)  # encodes the texts, which are kept
        true = operations_of(lambda requests=requests: sampler.micro(requests))
        assert 2 * counted[kind]["image"] == true


def test_stable_diffusion_has_the_shape_that_a_plan_assumes():
    shape = shape_of(study_like(gpu_model.SD15, "bf16"), "sample_pool", None, True)
    assert shape["unet"] == SD15["unet"] and shape["vae"] == SD15["vae"] and shape["resolution"] == 512


def test_kernels_are_told_apart_by_their_names():
    names = {
        "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7": "attention",
        "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64": "convolution",
        "nvjet_sm90_tst_256x128_64x4_1x2_h_bz_coopA_bias_TNT": "matrix product",
        "void cudnn::engines_precompiled::nchwToNhwcKernel<__nv_bfloat16, __nv_bfloat16, float>": "layout and copies",
        "triton_poi_fused_gelu_mul_split_view_15": "norms and activations, fused by Triton",
        "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::BFloat16, float>": "norms and activations",
        "spin": "other",
    }
    assert {name: kind_of(name) for name in names} == names
