"""How conditions reach the networks: absent text and masks, tokenizer, hints."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import CLIPTokenizer

from scripts.lib.core.errors import InputError
from scripts.lib.encoders.clip_text import build_text_encoder, plain_text, save_tokenizer, train_tokenizer
from scripts.lib.generators.controlled.encoding import Tokens, encode_text, tokenize
from scripts.lib.generators.controlled.hints import HintPainter, drop_structures
from scripts.lib.training.settings import Section
from tests.helpers.diffusion_models import BASE, REPORTS, STRUCTURES

ABSENT = [None, "", "  ", "N/A", "n/a", "nan", "None", float("nan"), "."]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(REPORTS, 600, 8)


@pytest.fixture(scope="module")
def encoder(tokenizer):
    torch.manual_seed(0)
    return build_text_encoder(Section(BASE["text"], "text"), tokenizer).eval()


def test_absent_text_is_zero_vectors_at_any_batch_size(tokenizer, encoder):
    for texts in ([None], ABSENT, ["pneumonia", None, "normal"], [None, "pneumonia"]):
        states = encode_text(tokenize(texts, tokenizer), encoder)
        assert states.shape == (len(texts), 8, 16)
        for text, state in zip(texts, states):
            assert bool((state == 0).all()) == (plain_text(text) is None), text


def test_no_word_for_absence_reaches_the_tokenizer(tokenizer):
    class Recording:
        model_max_length, pad_token_id, seen = 8, tokenizer.pad_token_id, []

        def __call__(self, text, **options):
            self.seen.append(text)
            return tokenizer(text, **options)

    recording = Recording()
    tokenize([*ABSENT, "Pneumonia."], recording)
    assert set(recording.seen) == {"Pneumonia"}


def test_a_row_without_text_does_not_touch_the_others(tokenizer, encoder):
    alone = encode_text(tokenize(["pneumonia"], tokenizer), encoder)[0]
    among = encode_text(tokenize([None, "pneumonia", "N/A"], tokenizer), encoder)[1]
    assert torch.equal(alone, among)


def test_dropout_makes_zero_vectors_and_text_is_differentiable(tokenizer, encoder):
    tokens = tokenize(["pneumonia", "normal"], tokenizer)
    kept = tokens.rows([1, 0], keep=torch.tensor([True, False]))
    assert torch.equal(kept.ids[0], tokens.ids[1])
    states = encode_text(kept, encoder)
    assert bool(states[0].any()) and not states[1].any()
    states.sum().backward()
    assert encoder.get_input_embeddings().weight.grad.abs().sum() > 0
    encoder.zero_grad()


def test_long_texts_warn_once_and_are_cut(tokenizer):
    long = "left pleural effusion and pneumonia and edema and more words"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokens = tokenize([long, long, "x y z a b c d e f g", "normal"], tokenizer)
    assert len(caught) == 1 and "2 texts have more than 8 tokens" in str(caught[0].message)
    assert tokens.ids.shape == (4, 8) and tokens.ids[0, -1] == tokenizer.eos_token_id


def test_plain_text_drops_the_full_stop_and_spare_blanks():
    assert plain_text(" Left  pleural\neffusion. ") == "Left pleural effusion"


def test_tokenizer_knows_frequent_words_and_any_other(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path)
    assert (tmp_path / "vocab.json").is_file() and (tmp_path / "merges.txt").is_file()
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again.model_max_length == 8
    for text in ("pneumonia", "Zyx 123 µ–q!"):
        ids = tokenizer(text).input_ids
        assert again(text).input_ids == ids
        assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
        assert tokenizer.eos_token_id not in ids[1:-1]
    older = CLIPTokenizer(vocab=str(tmp_path / "vocab.json"), merges=str(tmp_path / "merges.txt"))
    assert older("pneumonia").input_ids == tokenizer("pneumonia").input_ids


def test_tokenizer_training_is_reproducible_and_needs_text():
    first, second = (train_tokenizer(REPORTS * 3, 600, 8).get_vocab() for _ in range(2))
    assert first == second
    with pytest.raises(InputError, match="no report"):
        train_tokenizer([], 600, 8)


def test_hint_is_the_palette_on_black():
    bits = np.zeros((1, 4, 4), np.uint8)
    bits[0, 0, 0], bits[0, 1, 1] = 1, 1 | 4
    hint = HintPainter(STRUCTURES, {"lungs": [0, 51, 255], "heart": [255, 0, 0], "pneumothorax": [255, 204, 0]})(
        bits, 4
    )
    assert hint.shape == (1, 3, 4, 4) and hint.dtype == torch.float32
    assert torch.allclose(hint[0, :, 0, 0], torch.tensor([0, 0.2, 1.0]))
    assert torch.allclose(hint[0, :, 1, 1], torch.tensor([1.0, 0.8, 0]))  # painted over the lungs
    assert not hint[0, :, 3, 3].any()
    larger = HintPainter(STRUCTURES, "colour")(bits, 8)
    assert larger.shape == (1, 3, 8, 8) and torch.equal(
        larger[..., ::2, ::2], HintPainter(STRUCTURES, "colour")(bits, 4)
    )


def test_structure_dropout_keeps_whole_structures():
    bits = np.full((2000, 2, 2), 0b111, np.uint8)
    shown = drop_structures(bits, 3, 0.5, np.random.default_rng(0))
    assert (shown == shown[:, :1, :1]).all()
    counts = pd.Series(shown[:, 0, 0]).value_counts(normalize=True)
    # 0.5 are kept whole, 0.25 are one of 7 subsets (0.036 each), 0.25 are one of 3 structures (0.083 each); never empty.
    assert 0 not in counts and abs(counts[7] - 0.536) < 0.04
    assert abs(counts[1] - 0.119) < 0.03 and abs(counts[3] - 0.036) < 0.02
    assert (drop_structures(bits, 3, 0.0, np.random.default_rng(0)) == bits).all()


def test_a_structure_that_a_mask_does_not_show_is_never_its_only_one():
    bits = np.full((400, 2, 2), 0b100, np.uint8)
    shown = drop_structures(bits, 3, 1.0, np.random.default_rng(0))[:, 0, 0]
    # Half keep the one they show; of the others 3 of 7 subsets leave it out: 0.5 * 3 / 7 = 0.21 are empty.
    assert abs((shown == 0).mean() - 0.214) < 0.06 and set(np.unique(shown)) == {0, 0b100}
    assert not drop_structures(np.zeros((9, 2, 2), np.uint8), 3, 1.0, np.random.default_rng(0)).any()


def test_tokens_rows_take_numpy_rows():
    tokens = Tokens(torch.arange(6).view(3, 2), torch.tensor([True, False, True]))
    assert tokens.rows(np.array([2, 1])).present.tolist() == [True, False]


def test_a_hint_lies_pixel_by_pixel_where_it_was_painted():
    bits = np.random.default_rng(0).integers(0, 8, (3, 4, 4), dtype=np.uint8)
    hints = HintPainter(STRUCTURES, "colour", torch.device("cpu"))(bits, 6)
    assert hints.shape == (3, 3, 6, 6) and hints.is_contiguous(memory_format=torch.channels_last)
    nearest = np.arange(6) * 4 // 6  # the rows and columns of four that are nearest to six: 0 0 1 2 2 3
    again = HintPainter(STRUCTURES, "colour")(bits[:, nearest][:, :, nearest], 6)
    assert torch.equal(hints, again)
    meta = HintPainter(STRUCTURES, "colour", "meta")(bits, 6)
    assert meta.device.type == "meta" and meta.shape == hints.shape
