"""What the planner counts and measures: operations and parameters of networks, rates from a run's files."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from benchmarks.bars import Bar, bars
from benchmarks.measuring import rates_of_run
from scripts.lib.core.errors import InputError
from scripts.lib.encoders.operations import bert, reading
from scripts.lib.filters.proxy import operations as proxy
from scripts.lib.filters.proxy.operations import BIOMEDCLIP
from scripts.lib.mgca import operations as mgca
from scripts.lib.mgca.model import MGCA
from scripts.lib.planning.jobs import Job
from scripts.lib.planning.records import measured_of
from scripts.lib.planning.sizes import Size
from scripts.lib.planning.stages import disk_of, generator_parameters, gpu_bytes, work_of
from scripts.lib.planning.work import computed_images
from scripts.lib.training.operations import count, size
from scripts.lib.training.settings import Section
from tests.planning.test_plan import PAPER, TINY, pool_job, study


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
    unknown = study(PAPER)
    unknown["proxy"]["model"] = "hf-hub:nobody/knows"
    assert gpu_bytes(unknown, "score_pool", None) is None


def test_the_encoders_beside_the_generator_have_their_known_parameters() -> None:
    # BERT base without pooler: 108,891,648 of PubMedBERT's 30,522 words, as bert-base-uncased has.
    assert size(bert(30_522)) == 108_891_648
    # Two blocks of 4 wide at 3 tokens: 24 * 16 * 3 + 4 * 9 * 4 = 1,296 each.
    assert reading(bert(9, 3, 4, 2), 3) == 2 * 1296
    # The published open_clip_pytorch_model.bin has 784 MB, 4 bytes a parameter.
    config = study(PAPER)
    assert config["proxy"]["model"] == BIOMEDCLIP
    assert proxy.parameters(BIOMEDCLIP, 512) * 4 == pytest.approx(784e6, rel=1e-3)
    assert gpu_bytes(config, "score_pool", None) == 4 * proxy.parameters(BIOMEDCLIP, 512)


def test_weights_of_the_small_encoders_are_those_that_they_have() -> None:
    config = study(TINY)
    own, side = config["mgca"], config["study"]["resolution"]
    section = Section(own, "mgca")
    text = own["text"]
    words = {"vocab_size": text["vocabulary"], "max_position_embeddings": text["max_tokens"]}
    width = {"hidden_size": text["hidden"], "intermediate_size": 4 * text["hidden"]}
    blocks = {"num_hidden_layers": text["layers"], "num_attention_heads": text["heads"]}
    bert = BertModel(BertConfig(**words, **width, **blocks), add_pooling_layer=False)
    built = sum(part.numel() for part in MGCA(section, bert, side).parameters())
    assert mgca.parameters(own, side) == {"trained": built, "frozen": 0}
    # The folder holds the model, and a checkpoint itself, its mean and two moments: 5 * 4 bytes a parameter.
    assert disk_of(config, "pretrain_mgca") == 20 * built
    frozen = {**own, "text": {**text, "frozen": True}}
    assert mgca.parameters(frozen, side)["frozen"] == sum(part.numel() for part in bert.parameters())


def test_what_dpo_and_its_checks_cost(tmp_path: Path) -> None:
    config = study(TINY)
    dpo = {"steps": 6, "monitor_steps": 2, "monitor_draws": 3, "batch_size": 2}
    config["dpo"] |= dpo
    config["feedback"]["sets"] |= {"sets": 10, "images": 4, "kinds": {"text": 1.0, "mask": 0.0, "both": 0.0}}
    config["feedback"]["preferences"] |= {"heldout": 0.2, "report": 0.1, "pairs": "all", "raters": "combined"}
    # 2 held-out sets of 6 pairs, 3 draws each: 36 at a check. One before the first step, asked of the reference too, and three;
    # one more at the end, and one of the report's single set, half as many pairs, asked of the reference too.
    job = Job("train_dpo", {}, (), 2, 0, "results/benchmarks/train_dpo/dpo.tsv")
    sizes = {"siim": Size("by hand", splits={"train": 10})}
    assert work_of(job, config, sizes).units == {"step": 6, "film": 40, "check": 36 * (5 + 1 + 1)}
    for name, text in (
        ("benchmarks/train_dpo/dpo.tsv", "s\tmax_rss\tcpu_time\n200.0\t100\t1\n"),
        ("logs/train_dpo/dpo.log", "train_dpo: 100%|####| 6/6 [01:00<00:00,  10.00s/it]\n"),
    ):
        path = tmp_path / "results" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    own = rates_of_run([job], config, sizes, tmp_path, False, "by hand")["train_dpo"]
    each = {entry["unit"]: 1 / entry["per_second"] for entry in own["units"]}
    # The bar holds 6 steps and 3 of the 7 checks, the rest of the job 4.
    assert 6 * each["step"] + 3 * 36 * each["check"] == pytest.approx(60, rel=1e-3)
    assert own["job_seconds"] == pytest.approx(140 - 4 * 36 * each["check"], abs=0.05)
    # A step is 2 pairs through the tuned network (with gradients) and the reference, so much more than two checks.
    assert each["step"] > 4 * each["check"]


def test_bars_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        "train_base vae:  50%|#####     | 5/10 [00:30<00:30,  6.00s/it]\rtrain_base vae: 100%|##########| 10/10 [01:00<00:00]\n"
        "train_base vae: 100%|##########| 10/10 [01:02<00:00,  6.20s/it]\n"
        "train_base unet: 100%|##########| 20/20 [1:00:05<00:00, 180s/it]\n"
        "  0%|          | 0/150 [00:00<?, ?it/s]\r100%|##########| 150/150 [00:01<00:00, 100.00it/s]\n"
        "  0%|          | 0/150 [00:00<?, ?it/s]\r100%|##########| 150/150 [00:02<00:00, 60.00it/s]\n"
        "train_dpo:  60%|###   | 3/5 [00:09<00:06,  3.00s/it]\nresumed: 100%|####| 100/100 [00:10<00:00, 4.00it/s]\n"
    )
    assert bars(log) == [
        Bar("train_base vae", 10, 62.0),
        Bar("train_base unet", 20, 3600.0),
        Bar("", 150, 1.5),
        Bar("", 150, 2.5),
        Bar("train_dpo", 3, pytest.approx(9.0)),  # stopped early
        Bar("resumed", 40, 10.0, whole=False),  # 40 steps in these 10 s, the other 60 before a restart
    ]
    assert bars(tmp_path / "none.log") == []


def test_rates_fitted_to_a_run(tmp_path: Path) -> None:
    config = study(TINY)
    sizes = {name: Size("by hand", splits={"train": films}) for name, films in (("siim", 10), ("rsna", 50))}
    jobs = [
        pool_job(name, shard, f"results/benchmarks/sample_pool/{name}{shard}.tsv") for name in sizes for shard in (0, 1)
    ]
    folder = tmp_path / "results" / "benchmarks" / "sample_pool"
    folder.mkdir(parents=True)
    # siim: 10 mask images a shard; rsna: 25 * 2 * 2 trials / 2 = 50 text images. 6 s a job cannot be told from the units by these alone.
    jobs.append(Job("sample_rated_pool", {"shard": "0"}, (), 1, 0, "results/benchmarks/sample_pool/rated.tsv"))
    config["feedback"] |= {
        "shards": 1,
        "sets": {"sets": 10, "images": 4, "kinds": {"text": 0.5, "mask": 0.25, "both": 0.25}},
    }
    config["sampling"] |= {"micro_batch": 1}  # so that nothing is filled up
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
    sizes = {"rsna": Size("by hand", splits={"train": 50})}
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


def test_images_that_fill_up_micro_batches() -> None:
    # 20 images in batches of 8: 8, 8 and 4. Alone: 2, 2 and 1 micro-batches of 4.
    assert computed_images({"text": 20}, 8, 4) == {"text": 20}
    assert computed_images({"text": 21}, 8, 4) == {"text": 24}
    # 15 and 5: 6 and 2 in a batch of 8, so 8 and 4 are computed, twice; then 3 and 1, so 4 and 4.
    assert computed_images({"text": 15, "mask": 5}, 8, 4) == {"text": 20, "mask": 12}


def test_seconds_of_a_job_without_benchmark_are_those_of_its_record(tmp_path: Path) -> None:
    job = Job("draw_subsets", {"dataset": "rsna"}, (), 1, 0, None, ("results/rsna/subsets.parquet", "results/b.csv"))
    assert measured_of(job, tmp_path) is None
    folder = tmp_path / ".snakemake" / "metadata"
    folder.mkdir(parents=True)
    for output, times in zip(job.outputs, ((100.0, 101.5), (100.25, 102.0))):
        name = urlsafe_b64encode(output.encode()).decode()
        (folder / name).write_text(json.dumps({"starttime": times[0], "endtime": times[1]}))
    assert measured_of(job, tmp_path).seconds == 2.0
    rates = rates_of_run([job], study(TINY), {}, tmp_path, False, "by hand")
    assert rates["draw_subsets"]["job_seconds"] == 2.0
    (folder / name).write_text('{"starttime": 100')
    with pytest.raises(InputError, match="results/b.csv") as error:
        measured_of(job, tmp_path)
    assert "\n" not in str(error.value)
