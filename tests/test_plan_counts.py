"""What the planner counts and measures: operations and parameters of networks, rates from a run's files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scripts.lib.planning.jobs import Job
from scripts.lib.planning.measuring import bars, rates_of_run
from scripts.lib.planning.networks import count
from scripts.lib.planning.sizes import Size
from scripts.lib.planning.weights import disk_of, generator_parameters, gpu_bytes
from tests.test_plan import PAPER, TINY, pool_job, study


def test_operations_of_a_small_model_by_hand() -> None:
    layer = torch.nn.Conv2d(2, 4, 3, padding=1, device="meta")
    # 8 * 8 places, 4 * 2 * 9 multiply-adds each, two operations a multiply-add: 9,216; its weights' gradient costs the same.
    assert count(lambda: layer(torch.empty(1, 2, 8, 8, device="meta"))) == 9216
    assert count(lambda: layer(torch.empty(1, 2, 8, 8, device="meta")), learns=True) == 2 * 9216


def test_stable_diffusion_has_its_known_parameters() -> None:
    own = generator_parameters(study(PAPER))
    # As published: U-Net 859,520,964; ControlNet 361,279,120; autoencoder 83,653,863; CLIP ViT-L's text encoder 123,060,480.
    assert own == {"unet": 859_520_964, "controlnet": 361_279_120, "vae": 83_653_863, "text": 123_060_480}
    # Weights (1) and a checkpoint of weights, mean and two moments (4): 5 * 4 bytes.
    assert disk_of(study(PAPER), "train_controlnet") == 20 * 361_279_120
    # Weights, gradient, two moments and mean: 20 bytes of each trained parameter; frozen ones 4, as precision is fp32.
    frozen = 859_520_964 + 83_653_863 + 123_060_480
    assert gpu_bytes(study(PAPER), "train_controlnet", None) == 20 * 361_279_120 + 4 * frozen
    assert gpu_bytes(study(PAPER), "score_pool", None) is None


def test_bars_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        "train_base vae:  50%|#####     | 5/10 [00:30<00:30,  6.00s/it]\rtrain_base vae: 100%|##########| 10/10 [01:00<00:00]\n"
        "train_base vae: 100%|##########| 10/10 [01:02<00:00,  6.20s/it]\n"
        "train_base unet: 100%|##########| 20/20 [1:00:05<00:00, 180s/it]\ntrain_dpo: 60%|###   | 3/5 [00:09<00:06]\n"
    )
    assert bars(log) == [("train_base vae", 10, 62), ("train_base unet", 20, 3605)]
    assert bars(tmp_path / "none.log") == []


def test_rates_fitted_to_a_run(tmp_path: Path) -> None:
    config = study(TINY)
    sizes = {name: Size("by hand", splits={"train": films}) for name, films in (("siim", 10), ("rsna", 100))}
    jobs = [
        pool_job(name, shard, f"results/benchmarks/sample_pool/{name}{shard}.tsv") for name in sizes for shard in (0, 1)
    ]
    folder = tmp_path / "results" / "benchmarks" / "sample_pool"
    folder.mkdir(parents=True)
    # siim: 10 mask images a shard; rsna: 50 * 2 / 2 = 50 text images. 6 s a job cannot be told from the units by these alone.
    jobs.append(Job("sample_rated_pool", {"shard": "0"}, (), 1, 0, "results/benchmarks/sample_pool/rated.tsv"))
    config["feedback"] |= {
        "shards": 1,
        "sets": {"sets": 10, "images": 4, "kinds": {"text": 0.5, "mask": 0.25, "both": 0.25}},
    }
    # a = 4, 0.5 s a mask, 0.2 s a text and 1 s a `both` image: 4 + 5, 4 + 10, and 4 + 20 * 0.2 + 10 * 0.5 + 10 * 1.
    config["study"]["multipliers"]["0.5"] = [0, 2]
    texts = {"siim0": 9.0, "siim1": 9.0, "rsna0": 14.0, "rsna1": 14.0, "rated": 23.0}
    for name, seconds in texts.items():
        (folder / f"{name}.tsv").write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t100\t1\n")
    own = rates_of_run(jobs, config, sizes, tmp_path, False, "by hand")["sample_pool"]
    costs = {entry["unit"]: 1 / entry["per_second"] for entry in own["units"]}
    for seconds, counts in (
        (9, {"mask image": 10}),
        (14, {"text image": 50}),
        (23, {"text image": 20, "mask image": 10, "both image": 10}),
    ):
        assert own["job_seconds"] + sum(costs.get(unit, 0) * n for unit, n in counts.items()) == pytest.approx(
            seconds, rel=0.01
        )


def test_text_and_mask_together_cost_no_less_than_text(tmp_path: Path) -> None:
    config = study(TINY)
    sizes = {"rsna": Size("by hand", splits={"train": 100})}
    sets = {"sets": 10, "images": 4, "kinds": {"text": 0.5, "mask": 0.0, "both": 0.5}}
    config["feedback"] |= {"shards": 1, "sets": sets}
    jobs = [pool_job("rsna", 0, "results/benchmarks/pool.tsv")]
    jobs.append(Job("sample_rated_pool", {"shard": "0"}, (), 1, 0, "results/benchmarks/rated.tsv"))
    (tmp_path / "results" / "benchmarks").mkdir(parents=True)
    # 50 text images in 10 s, but 20 text and 20 of both in 5 s, which noise alone can explain.
    for name, seconds in (("pool", 10.0), ("rated", 5.0)):
        text = f"s\tmax_rss\tcpu_time\n{seconds}\t100\t1\n"
        (tmp_path / "results" / "benchmarks" / f"{name}.tsv").write_text(text)
    own = rates_of_run(jobs, config, sizes, tmp_path, False, "by hand")["sample_pool"]
    rates = {entry["unit"]: entry["per_second"] for entry in own["units"]}
    assert 0 < rates["both image"] <= rates["text image"]
    assert "not told apart" in next(entry["source"] for entry in own["units"] if entry["unit"] == "both image")
