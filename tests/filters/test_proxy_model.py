"""The proxy model: opened whole or refused in one line, and scoring as open_clip's own image-by-image way does."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import load_file, save_file

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.filters.proxy.model import Proxy, open_proxy
from scripts.lib.filters.proxy.pixels import Preprocessing
from scripts.lib.filters.proxy.scores import own_labels, ranks_by
from scripts.lib.filters.proxy.scoring import label_vectors, score_pool
from scripts.score_pool import main as score_main
from tests.helpers.proxy_models import CPU, PROMPTS, PROXY, films, score_frame, tiny_proxy, write_model, write_pool


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    return tiny_proxy(tmp_path_factory.mktemp("proxy"))


def folder_of(proxy: Proxy) -> Path:
    return Path(proxy.name.removeprefix("local-dir:"))


def copy_model(proxy: Proxy, target: Path) -> Path:
    target.mkdir()
    for file in folder_of(proxy).iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def edit_config(folder: Path, part: str, **changes: object) -> None:
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["model_cfg"][part] |= changes
    path.write_text(json.dumps(config))


def refused(folder: Path | str, *words: str) -> None:
    with pytest.raises(InputError) as error:
        open_proxy(str(folder), CPU, 4)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_stock_open_clip_opens_it_and_agrees(proxy: Proxy) -> None:
    model, transform = open_clip.create_model_from_pretrained(proxy.name)
    tokenizer = open_clip.get_tokenizer(proxy.name)
    images, texts = films(5), ["edema", "Left Pneumonia"]
    with torch.inference_mode():
        inputs = torch.stack([transform(Image.fromarray(image)) for image in images])
        expected = model.eval().encode_image(inputs, normalize=True).numpy()
        words = model.encode_text(tokenizer(texts), normalize=True).numpy()
    np.testing.assert_allclose(proxy.image_features(images), expected, atol=1e-5)
    np.testing.assert_allclose(proxy.text_features(texts), words, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    assert tokenizer(texts).shape == (2, 8)  # the model's own context length, not open_clip's 77


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("stored", "side"), [(64, 224), (96, 64), (64, 64), (128, 32)])
def test_resizing_is_that_of_pil_to_a_grey_level_or_two(stored: int, side: int, interpolation: str) -> None:
    settings = {"size": (side, side), "interpolation": interpolation, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    rough = np.random.default_rng(stored).integers(0, 256, (2, stored, stored)).astype(np.uint8)
    images = np.concatenate([films(2, stored), rough])
    expected = torch.stack([transform(Image.fromarray(image)) for image in images])
    found = Preprocessing.of(settings, "test")(images)
    grey = (found - expected).abs() * torch.tensor(settings["std"]).view(3, 1, 1) * 255
    assert found.shape == (4, 3, side, side)
    assert float(grey.max()) <= (1.001 if side <= stored else 2.001)
    assert float((grey > 0.5).float().mean()) < 0.05  # of noise; real films are smoother
    assert stored != side or torch.equal(found, expected)


def test_a_model_that_is_not_square_is_refused() -> None:
    with pytest.raises(InputError, match="224 x 192"):
        Preprocessing.of({"size": (224, 192), "interpolation": "bicubic", "mean": (0,), "std": (1,)}, "m")


def test_scores_depend_neither_on_batches_nor_on_neighbours(proxy: Proxy) -> None:
    images = films(11)
    whole = proxy.image_features(images)
    alone = np.concatenate([proxy.image_features(images[[row]]) for row in range(11)])
    np.testing.assert_array_equal(whole, alone)  # the shape is the same, so the bits are
    other = open_proxy(proxy.name, CPU, 7).image_features(images)
    np.testing.assert_allclose(whole, other, atol=1e-5)


def test_score_table(proxy: Proxy, tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pool", 7)
    table = score_pool(proxy, pool, PROMPTS, ["{}"])
    assert list(table["label"]) == ["edema", "pneumonia", "normal"] * 2 + ["edema"]
    columns = ["image_id", "condition_id", "sample", "trial", "position", "label", "score"]
    assert list(table) == [*columns, "score_edema", "score_pneumonia", "score_normal"]
    image = proxy.image_features(pool.images([1]))[0]
    text = proxy.text_features(["pneumonia"])[0]  # without the side
    assert table["score"][1] == pytest.approx(float(image @ text), abs=1e-6)  # unit vectors: the product is the cosine
    assert table["score_pneumonia"][1] == table["score"][1]


def test_shards_and_the_whole_pool_have_the_same_scores(proxy: Proxy, tmp_path: Path) -> None:
    config, out = json.dumps(PROXY), tmp_path / "scores.parquet"
    write_pool(tmp_path / "a", 5)
    write_pool(tmp_path / "b", 4, first=5)
    parts = []
    for shard in "ab":
        score_main(
            ["--model", str(folder_of(proxy)), "--pool", str(tmp_path / shard), "--config", config, "--out", str(out)]
        )
        parts.append(out.read_bytes())
    whole = score_pool(proxy, Cohort.open([tmp_path / "a", tmp_path / "b"]), PROMPTS, ["{}"])
    import pandas as pd

    pd.testing.assert_frame_equal(pd.read_parquet(out), whole.iloc[5:].reset_index(drop=True))
    score_main(["--model", proxy.name, "--pool", str(tmp_path / "b"), "--config", config, "--out", str(out)])
    assert out.read_bytes() == parts[1]


def test_templates_are_averaged_on_the_sphere(proxy: Proxy) -> None:
    templates = ["{}", "film of {}"]
    labels, vectors = label_vectors(proxy, {"edema": "edema"}, templates)
    mean = proxy.text_features(["edema", "film of edema"]).mean(axis=0)
    assert labels == ["edema"]
    np.testing.assert_allclose(vectors[0], mean / np.linalg.norm(mean), atol=1e-6)
    with pytest.raises(InputError, match="once"):
        label_vectors(proxy, {"edema": "edema"}, ["a film"])


def test_own_label(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, 3)
    pool.index["report"] = None
    assert own_labels(pool, PROMPTS) == ["edema", "pneumonia", "normal"]
    with pytest.raises(InputError, match="no prompt for 'normal'"):
        own_labels(pool, {"edema": "edema", "pneumonia": "pneumonia"})
    pool.index["pneumonia"] = 1
    with pytest.raises(InputError, match="expected one label"):
        own_labels(pool, PROMPTS)
    pool.index["report"], pool.index["edema"] = "edema", 0
    with pytest.raises(InputError, match="label edema is not 1"):
        own_labels(pool, PROMPTS)


def test_margin() -> None:
    table = score_frame([0.5, 0.25]).assign(score_normal=[0.25, 0.5])
    assert ranks_by(table, "edema", "cosine").tolist() == [0.5, 0.25]
    assert ranks_by(table, "edema", "margin").tolist() == [0.25, -0.25]
    assert ranks_by(table, "normal", "margin").tolist() == [0.25, 0.5]


def test_a_score_that_is_no_number_is_refused(proxy: Proxy, tmp_path: Path) -> None:
    pool = write_pool(tmp_path, 3)
    vectors = np.full((3, 8), np.nan, np.float32)
    from scripts.lib.filters.proxy.scoring import cosines

    with pytest.raises(InputError, match="edema-0 is not a number"):
        cosines(proxy, pool, np.arange(3), vectors)


def test_faulty_models_are_refused_in_one_line(proxy: Proxy, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no such file", "open_clip_config.json")
    refused("hf-hub:nobody/nothing", "cache", "local-dir:")

    folder = copy_model(proxy, tmp_path / "context")
    edit_config(folder, "text_cfg", context_length=77)
    refused(folder, "positional_embedding", "[8, 16]", "[77, 16]")

    folder = copy_model(proxy, tmp_path / "shape")
    edit_config(folder, "vision_cfg", width=8)
    refused(folder, "visual.", "different models")

    folder = copy_model(proxy, tmp_path / "tower")
    edit_config(folder, "text_cfg", hf_model_name="nobody/no-text-tower")
    refused(folder, "nobody/no-text-tower", "not on this machine")

    folder = copy_model(proxy, tmp_path / "tokens")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()
    refused(folder, "tokenizer")

    folder = copy_model(proxy, tmp_path / "vocabulary")
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (folder / name).unlink()
    refused(folder, "its tokenizer", "become the same tokens")

    folder = copy_model(proxy, tmp_path / "weights")
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(folder, "not a safetensors file")
    weights.unlink()
    refused(folder, "no weights")
    (folder / "open_clip_pytorch_model.bin").write_bytes(pickle.dumps({"a": print}, protocol=2))
    refused(folder, "open_clip_pytorch_model.bin", "could run code")


def test_weights_that_are_no_numbers_or_missing_are_refused(proxy: Proxy, tmp_path: Path) -> None:
    folder = copy_model(proxy, tmp_path / "nan")
    weights = load_file(folder / "open_clip_model.safetensors")
    save_file(weights | {"logit_scale": torch.tensor(float("nan"))}, folder / "open_clip_model.safetensors")
    refused(folder, "logit_scale", "NaN")
    weights.pop("logit_scale")
    save_file(weights, folder / "open_clip_model.safetensors")
    refused(folder, "do not fit", "logit_scale")


def test_a_configuration_without_context_length_is_refused(proxy: Proxy, tmp_path: Path) -> None:
    folder = copy_model(proxy, tmp_path / "bare")
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    del config["model_cfg"]["text_cfg"]["context_length"]
    path.write_text(json.dumps(config))
    refused(folder, "context_length", "77")


def test_a_model_stored_as_plain_tensors_opens(proxy: Proxy, tmp_path: Path) -> None:
    folder = copy_model(proxy, tmp_path / "bin")
    safe = folder / "open_clip_model.safetensors"
    torch.save(load_file(safe), folder / "open_clip_pytorch_model.bin")
    safe.unlink()
    opened = open_proxy(str(folder), CPU, 4)
    np.testing.assert_array_equal(opened.image_features(films(2)), proxy.image_features(films(2)))


def test_a_bert_text_tower_opens_from_a_local_configuration(proxy: Proxy, tmp_path: Path) -> None:
    from transformers import BertConfig

    from scripts.lib.filters.proxy.opening import offline

    folder = copy_model(proxy, tmp_path / "bert")
    BertConfig(
        vocab_size=600, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    ).save_pretrained(tmp_path / "tower")
    edit_config(
        folder, "text_cfg", hf_model_name=str(tmp_path / "tower"), hf_pooler_type="cls_last_hidden_state_pooler"
    )
    with offline():
        model = open_clip.create_model(
            f"local-dir:{folder}", load_weights=False, pretrained_text=False, pretrained_image=False
        )
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    opened = open_proxy(str(folder), CPU, 4)
    assert opened.text_features(["edema"]).shape == (1, 8)
    edit_config(folder, "text_cfg", hf_tokenizer_name="")
    refused(folder, "hf_tokenizer_name")


def test_a_model_of_the_hub_opens_from_the_local_cache(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    stored = tmp_path / "models--someone--tiny-clip"
    (stored / "refs").mkdir(parents=True)
    (stored / "snapshots").mkdir()
    (stored / "refs" / "main").write_text("0" * 40)
    snapshot = copy_model(proxy, stored / "snapshots" / ("0" * 40))
    edit_config(snapshot, "text_cfg", hf_tokenizer_name="someone/tiny-clip")
    (snapshot / "config.json").write_text('{"model_type": "clip"}')  # the tokenizer's repository has one
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    opened = open_proxy("hf-hub:someone/tiny-clip", CPU, 4)
    np.testing.assert_array_equal(opened.image_features(films(2)), proxy.image_features(films(2)))
    np.testing.assert_array_equal(opened.text_features(["edema"]), proxy.text_features(["edema"]))


def test_write_model_is_deterministic(tmp_path: Path) -> None:
    first, second = Path(write_model(tmp_path / "a")), Path(write_model(tmp_path / "b"))
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name
