"""What MGCA reads of reports and films, its encoders, and the names of its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.engine.lean_imports import without_compiler
from scripts.lib.mgca.encoders import ImageEncoder, LocalEmbedding, words_of
from scripts.lib.mgca.pairs import crop, input_side, read_pairs
from scripts.lib.mgca.text import Captions, caption, open_bert, save_tokenizer, tokenize, train_tokenizer
from tests.helpers.downstream_films import SIDE, write_films
from tests.helpers.mgca_toy import WORDS, settings_of, small_mgca, write_reported


@pytest.mark.parametrize(
    ("report", "least", "expected"),
    [
        ("1. Small LEFT pleural effusion.  2. Edema.", (1, 1), "small left pleural effusion edema"),
        ("1. Small LEFT pleural effusion.  2. Edema.", (2, 3), "small left pleural effusion"),  # Edema: one word
        ("Normal chest.", (2, 3), None),  # two words are no report in MGCA
        ("Œdème, mild", (1, 1), "dme mild"),
        ("...", (1, 1), None),
        ("N/A", (1, 1), None),
        ("  ", (1, 1), None),
        (None, (1, 1), None),
        (float("nan"), (1, 1), None),
    ],
)
def test_captions_are_plain_words(report, least, expected):
    sentence, words = least
    text = settings_of(text={"min_sentence_words": sentence, "min_words": words})["text"]
    assert caption(report, text) == expected


def test_pieces_know_their_word():
    tokenizer = train_tokenizer(["edema", "edema", "left", "left"], 90, 8)
    found = tokenize(["left edema", "zz", "left edema"], tokenizer)
    # [CLS] left edema [SEP], and [CLS] z ##z [SEP]: the pieces of an unknown word share its number.
    assert found.words.tolist()[0] == [0, 1, 2, 3, -1, -1, -1, -1]
    assert found.words.tolist()[1] == [0, 1, 1, 2, -1, -1, -1, -1]
    assert found.texts[0] == found.texts[2] != found.texts[1]
    assert found.rows([1]).ids.shape == (1, 4)
    long = tokenize(["left " * 20], tokenizer)
    assert tokenizer.convert_ids_to_tokens(long.ids[0].tolist())[-1] == "[SEP]"


def test_words_sum_their_pieces_by_hand():
    states = torch.tensor([[[1.0, 0], [2, 1], [3, 1], [9, 9]], [[1.0, 1], [2, 2], [3, 3], [4, 4]]])
    words = torch.tensor([[0, 1, 1, -1], [0, 1, 2, 3]])
    attention = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]])
    features, looked, padding = words_of(states, attention, words)
    # Film 0: word 1 = (2 + 3, 1 + 1), attention 0.2 + 0.3; the padding piece (9, 9) is in no word.
    assert features[0].tolist() == [[1, 0], [5, 2], [0, 0], [0, 0]]
    assert looked[0].tolist() == pytest.approx([0.1, 0.5, 0, 0])
    assert padding.tolist() == [[False, False, True, True], [False] * 4]


def test_tokenizer_is_the_same_each_time(tmp_path):
    found = train_tokenizer(["left edema", "right edema"] * 2, 100, 8).get_vocab()
    # After 5 markers and twice 37 letters: merges by count, ties in the order of the letters, in every process.
    merged = ["ed", "##em", "edem", "edema", "le", "ri", "##ft", "##gh", "left", "righ", "right"]
    assert sorted(found, key=found.get)[79:] == merged
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        save_tokenizer(train_tokenizer(WORDS * 3, 150, 10), folder)
    files = sorted(file.name for file in folders[0].iterdir())
    assert {"vocab.txt", "tokenizer.json"} <= set(files)
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in files)
    with pytest.raises(InputError, match=r"vocabulary = 20; expected at least 79"):
        train_tokenizer(WORDS, 20, 10)


def test_padding_takes_no_part_in_the_whole_network():
    model, tokenizer = small_mgca(text={"dropout": 0.0})
    found = tokenize([WORDS[0].lower(), WORDS[2].lower()], tokenizer)
    assert found.ids.shape[1] == 10
    images = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    whole = model.train()(images, found, True)  # padded to the tokenizer's length
    short = model(images, found.rows([0, 1]), True)  # to the longest of the two
    for name in ("ita", "cta", "cpa"):
        assert getattr(whole, name).item() == pytest.approx(getattr(short, name).item(), rel=1e-4)
    other = Captions(torch.where(found.words < 0, 7, found.ids), found.words, found.texts)  # other pieces as padding
    assert model(images, other, True).cta.item() == pytest.approx(whole.cta.item(), rel=1e-4)


def test_absent_parts_do_not_move_the_batch_norm():
    layer = LocalEmbedding(3, 4, 2).train()
    features = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1))
    padding = torch.tensor([[False, False, True], [False, False, False]])
    made = layer(features, padding)
    assert (made[0, 2] == 0).all()
    features[0, 2] = 1e3
    assert torch.equal(layer(features, padding), made)
    assert torch.allclose(layer(features, torch.zeros_like(padding)), layer(features), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 3))
def test_crops_are_pieces_of_the_film(seed, pad):
    image = np.arange(1, 37, dtype=np.uint8).reshape(1, 6, 6)
    bordered = np.pad(image[0], pad)
    got = (crop(image, 5, pad, torch.Generator().manual_seed(seed))[0, 0] * 255).round().numpy().astype(np.uint8)
    pieces = [bordered[y : y + 5, x : x + 5] for y in range(2 + 2 * pad) for x in range(2 + 2 * pad)]
    assert any((got == piece).all() for piece in pieces)  # and so never a mirrored one
    middle = (crop(image, 6, pad, None)[0, 0] * 255).round().numpy()
    assert (middle == image[0]).all()


def test_films_without_report_are_left_out(tmp_path):
    folder = write_reported(tmp_path / "c", ["Edema.", None, "N/A", "Normal.", "Edema.", "Normal."], 2)
    other = write_reported(tmp_path / "d", [None, "Pneumonia."], 0)
    pairs = read_pairs([folder, other], None, settings_of(), SIDE)
    assert pairs.captions == ["edema", "normal", "pneumonia"]
    assert (len(pairs), pairs.silent) == (3, 3)
    expected = [Cohort.open(other).images([1])[0], *Cohort.open(folder).images([0, 3])]
    assert (pairs.images(np.array([2, 0, 1])) == np.stack(expected)).all()
    larger = read_pairs([folder], "train", settings_of(image={"resize": 24}), SIDE)
    assert larger.images(np.array([1])).shape == (1, 24, 24)
    with pytest.raises(InputError, match="16 pixels, expected the study's 64"):
        read_pairs([folder], "train", settings_of(), 64)
    with pytest.raises(InputError, match=r"image_size = 32, but films of 16 pixels with a border of 1"):
        input_side(settings_of(image={"image_size": 32}), SIDE)


def test_weights_have_the_published_names():
    model, _ = small_mgca()
    names = set(model.state_dict())
    numbered = ["0.weight", "0.bias", "1.weight", "1.running_var", "3.weight", "4.running_mean"]
    for side in ("img_encoder_q", "text_encoder_q"):
        for part in ("global_embed", "local_embed"):
            assert {f"{side}.{part}.head.{name}" for name in numbered} <= names
            assert f"{side}.{part}.head.4.weight" not in names  # the last BatchNorm has no weights of its own
    assert "text_encoder_q.model.embeddings.word_embeddings.weight" in names
    assert "text_encoder_q.model.encoder.layer.0.attention.self.query.weight" in names
    assert "img_encoder_q.model.stages.0.0.weight" in names
    for layer in ("patch_local_atten_layer", "word_local_atten_layer"):
        assert {f"{layer}.in_proj_weight", f"{layer}.out_proj.bias"} <= names
    assert model.state_dict()["prototype_layer.weight"].shape == (6, 8)
    assert model.state_dict()["img_encoder_q.local_embed.head.0.weight"].shape == (16, 4, 1)  # a Conv1d
    assert {name.split(".")[0] for name in names} == {
        "img_encoder_q",
        "text_encoder_q",
        "patch_local_atten_layer",
        "word_local_atten_layer",
        "prototype_layer",
    }


@pytest.mark.parametrize("attention", ["cosine", "learned"])
def test_every_trained_weight_gets_a_gradient(attention):
    model, tokenizer = small_mgca(attention=attention)
    captions = tokenize([WORDS[0].lower(), WORDS[3].lower()], tokenizer)  # a batch of two
    images = torch.rand(2, 1, SIDE, SIDE)
    for learn in (False, True):
        model.zero_grad(set_to_none=True)
        losses = model.train()(images, captions, learn)
        (losses.ita + losses.cta + losses.cpa).backward()
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        assert not [name for name, weight in trained.items() if weight.grad is None]
        assert bool(model.prototype_layer.weight.grad.any()) is learn
        assert ("word_local_atten_layer.in_proj_weight" in trained) is (attention == "learned")
    assert torch.allclose(model.prototype_layer.weight.norm(dim=1), torch.ones(6))


def encoder_of(name: str, side: int) -> ImageEncoder:
    chosen = settings_of(image={"encoder": name})
    with without_compiler():
        return ImageEncoder(chosen["image"], chosen["grey"], 8, 16, side).eval()


def test_vit_looks_from_its_class_token():
    encoder = encoder_of("vit_tiny_patch16_224", 32)
    layer, seen = encoder.model.blocks[-1].attn, []
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole, parts, attention = encoder.features(x)
    layer.fused_attn = False
    layer.attn_drop.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    assert torch.allclose(whole, encoder.model(x), atol=1e-5)  # what a trial's head gets
    assert parts.shape == (2, 4, 192)
    assert torch.allclose(attention, seen[0][:, :, 0, 1:].mean(1), atol=1e-6)
    embedded, patches, _ = encoder(torch.rand(2, 1, 32, 32))
    assert embedded.shape == (2, 8) and patches.shape == (2, 4, 8)


def test_resnet_takes_patches_from_its_third_layer():
    encoder = encoder_of("resnet18", 64)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    whole, parts, attention = encoder.features(x)
    assert torch.allclose(whole, encoder.model(x), atol=1e-5)
    assert (parts.shape, attention) == ((2, 16, 256), None)
    with pytest.raises(InputError, match="'mobilenetv3_small_050'; expected small, a ResNet or a plain ViT"):
        encoder_of("mobilenetv3_small_050", 64)


def test_bert_comes_from_a_folder_or_one_line(tmp_path: Path):
    text = settings_of(text={"path": str(tmp_path / "bert")})["text"]
    with pytest.raises(InputError, match="no BERT here .* or null to train a small one"):
        open_bert(text)
    tokenizer = train_tokenizer(WORDS, 120, 12)
    save_tokenizer(tokenizer, tmp_path / "bert")
    with pytest.raises(InputError, match="config.json: no such file"):
        open_bert(text)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=12,
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    bert, found = open_bert(text)
    assert bert.pooler is None
    assert found("edema", truncation=True).input_ids == tokenizer("edema").input_ids
    assert bert(torch.tensor([[2, 3]]), output_attentions=True).attentions[0].shape == (1, 2, 2, 2)
    with pytest.raises(InputError, match="max_tokens = 20, but .* has 12 positions"):
        open_bert(settings_of(text={"path": str(tmp_path / "bert"), "max_tokens": 20})["text"])
    for content, message in (
        ("", "not a BERT tokenizer"),
        ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", "become the same tokens"),
    ):
        (tmp_path / "bert" / "tokenizer.json").unlink(missing_ok=True)
        (tmp_path / "bert" / "vocab.txt").write_text(content)
        with pytest.raises(InputError, match=message):
            open_bert(text)


def test_impression_and_findings_are_read_in_the_order_of_sections(tmp_path: Path):
    reports, findings = ["Edema.", None, "Normal.", None], ["Kerley lines. 2 cm.", "Clear lungs.", None, None]
    write_films(tmp_path / "mimic", 4, report=reports, findings=findings, split=["train"] * 4)
    write_films(tmp_path / "candid", 2, report=["Whole report."] * 2, split=["train"] * 2)
    both = [tmp_path / "mimic", tmp_path / "candid"]

    def captions(folders: list[Path], *sections: str) -> list[str]:
        return read_pairs(folders, None, settings_of(text={"sections": list(sections)}), SIDE).captions

    whole = ["whole report"] * 2  # a dataset that keeps no sections
    assert captions(both, "impression") == ["edema", "normal", *whole]
    # As MGCA joins them: impression, then findings, either alone where the other is absent.
    assert captions(both, "impression", "findings") == ["edema kerley lines 2 cm", "clear lungs", "normal", *whole]
    assert captions([tmp_path / "mimic"], "findings") == ["kerley lines 2 cm", "clear lungs"]
    with pytest.raises(InputError, match=r"candid: no column findings, which mgca.text.sections asks for"):
        captions(both[1:], "impression", "findings")
    with pytest.raises(InputError, match="sections = .*: expected different ones of impression, findings"):
        captions(both, "history")


def test_the_published_batch_is_two_of_72_that_are_told_apart():
    paper = yaml.safe_load((Path(__file__).resolve().parents[2] / "studies" / "paper.yaml").read_text())["mgca"]
    assert (paper["batch_size"], paper["gradient_accumulation"]) == (72, 2)
    assert paper["text"]["sections"] == ["impression", "findings"]
