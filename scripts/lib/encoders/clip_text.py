"""The small CLIP tokenizer and text encoder of a foundation model that is trained in the workflow."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from scripts.lib.conditions.prompts import TextCell, null_text
from scripts.lib.core.errors import InputError
from scripts.lib.encoders.vocabulary import check_size, open_checked
from scripts.lib.training.settings import Section

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
MARKERS = 2


def plain_text(text: TextCell) -> str | None:
    """Return a text as it is tokenized, white space collapsed and the last full stop dropped; None when absent."""
    known = null_text(text)
    return None if known is None else null_text(re.sub(r"\s+", " ", known).rstrip(" .;,"))


def train_tokenizer(texts: Sequence[str], vocabulary: int, max_length: int) -> CLIPTokenizer:
    """Return a CLIP tokenizer of at most `vocabulary` tokens whose byte pairs were merged on `texts`.

    The vocabulary has CLIP's order: 256 bytes, the same as ends of words, merges, begin and end of text. So any text
    can be tokenized, words that never occurred included.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fixed = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    if not texts:
        raise InputError("the foundation cohorts have no report at all; a text encoder needs some")
    model = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    template = CLIPTokenizer().backend_tokenizer
    model.normalizer, model.pre_tokenizer = template.normalizer, template.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        min_frequency=2,
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    merges = [tuple(merge) for merge in json.loads(model.to_str())["model"]["merges"]][: vocabulary - len(fixed) - 2]
    tokens = [*fixed, *("".join(merge) for merge in merges), BEGIN, END]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    # transformers says list[str]; what reads them takes pairs.
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=max_length)  # type: ignore[arg-type]


def open_tokenizer(folder: Path, encoder: CLIPTextConfig) -> CLIPTokenizer:
    """Return the CLIP tokenizer in a folder, no longer than its text encoder reads.

    Raises InputError when it is not whole, tells no texts apart, or has tokens that the encoder does not know.
    """
    if not (folder / "tokenizer.json").is_file():
        for name in ("vocab.json", "merges.txt"):
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder}: no {name} and no tokenizer.json; without its vocabulary all texts are the same"
                )
    tokenizer = open_checked(lambda: _read(folder, encoder), _inner, folder, "CLIP")
    if tokenizer.model_max_length < MARKERS + 1:
        raise InputError(
            f"{folder}: tokenizer_config.json allows {tokenizer.model_max_length} tokens, {MARKERS} of them markers; "
            f"expected its model_max_length, e.g. 77"
        )
    if tokenizer.pad_token_id is None:
        raise InputError(f"{folder}: no pad_token; expected one in tokenizer_config.json, e.g. {END}")
    check_size(len(tokenizer), encoder.vocab_size, folder)
    _check_merges(tokenizer, folder)
    return tokenizer


def _check_merges(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Raise InputError where merges.txt is cut: words of the vocabulary that no merge makes are never used."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    made = {"".join(pair) for pair in pairs}
    plain = [token for token in model["vocab"] if len(token.removesuffix("</w>")) > 1 and token not in made]
    unused = [token for token in plain if token not in tokenizer.all_special_tokens]
    if len(unused) > len(model["vocab"]) // 100:
        raise InputError(
            f"{folder}: no merge makes {len(unused)} tokens of the vocabulary, e.g. {unused[0]!r}; merges.txt is cut or "
            f"not its own; get a true copy"
        )


def _read(folder: Path, encoder: CLIPTextConfig) -> CLIPTokenizer:
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    # A tokenizer without a length of its own says 1e30.
    tokenizer.model_max_length = min(tokenizer.model_max_length, encoder.max_position_embeddings)
    return tokenizer


def _inner(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write a tokenizer in CLIP's form; vocab.json and merges.txt are written too, which older readers need."""
    tokenizer.save_pretrained(folder)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False, indent=0) + "\n")
    pairs = [" ".join(merge) if isinstance(merge, list) else merge for merge in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n")


def build_text_encoder(settings: Section, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return a text encoder with random weights: `hidden`, `layers`, `heads`."""
    width = settings["hidden"]
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=settings["layers"],
            num_attention_heads=settings["heads"],
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
