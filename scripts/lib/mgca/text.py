"""Reports as MGCA reads them: cleaned sentences, WordPiece tokens, and which pieces make up one word."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertConfig, BertModel, BertTokenizer

from scripts.lib.conditions.prompts import TextCell, null_text
from scripts.lib.core.errors import InputError
from scripts.lib.encoders.folders import load_network
from scripts.lib.encoders.vocabulary import check_size, open_checked
from scripts.lib.training.settings import Section

PAD, UNKNOWN, CLASS, SEPARATOR, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
LETTERS = string.digits + "_" + string.ascii_lowercase
SENTENCE_END = re.compile(r"[0-9]+\.|\.")
PIECE = "##"


def caption(report: TextCell, settings: Section) -> str | None:
    """Return a report as lower-case ASCII words in one line; None when it is missing or too short to learn from.

    Settings: sentences of fewer than `min_sentence_words` words and reports of fewer than `min_words` are left out
    (2 and 3 in MGCA).
    """
    text = null_text(report)
    if text is None:
        return None
    kept: list[str] = []
    for sentence in SENTENCE_END.split(text.lower()):
        words = re.findall(r"\w+", sentence)
        if len(words) >= settings["min_sentence_words"]:
            plain = (word.encode("ascii", "ignore").decode() for word in words)
            kept += [word for word in plain if word]
    return " ".join(kept) if kept and len(kept) >= settings["min_words"] else None


def train_tokenizer(captions: Sequence[str], vocabulary: int, max_tokens: int) -> BertTokenizer:
    """Return a BERT tokenizer of at most `vocabulary` pieces, merged on captions; the same captions give the same one.

    All letters come first, alone and inside words: so any caption can be tokenized, and ties between merges are broken
    by their numbers. Without that the trainer's result changes from process to process.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    fixed = [PAD, UNKNOWN, CLASS, SEPARATOR, MASK, *LETTERS, *(f"{PIECE}{letter}" for letter in LETTERS)]
    if vocabulary < len(fixed):
        raise InputError(f"settings: mgca.text.vocabulary = {vocabulary}; expected at least {len(fixed)}")
    model = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=fixed, min_frequency=2, show_progress=False
    )
    model.train_from_iterator(captions, trainer)
    return BertTokenizer(vocab=model.get_vocab(), do_lower_case=True, model_max_length=max_tokens)


def save_tokenizer(tokenizer: BertTokenizer, folder: Path) -> None:
    """Write a tokenizer in BERT's form, vocab.txt included, which older readers need."""
    tokenizer.save_pretrained(folder)
    vocabulary = tokenizer.get_vocab()
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in sorted(vocabulary, key=vocabulary.__getitem__)))


def build_bert(settings: Section, tokenizer: BertTokenizer) -> BertModel:
    """Return a BERT with random weights: `hidden`, `layers`, `heads`, `dropout`."""
    width, share = settings["hidden"], settings["dropout"]
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        intermediate_size=4 * width,
        hidden_dropout_prob=share,
        attention_probs_dropout_prob=share,
        max_position_embeddings=tokenizer.model_max_length,
        attn_implementation="eager",  # type: ignore[call-arg]  # of every configuration, which its own list leaves out
    )
    return BertModel(config, add_pooling_layer=False)


def open_bert(settings: Section) -> tuple[BertModel, BertTokenizer]:
    """Return the BERT in the folder `path` (Bio_ClinicalBERT in MGCA) and its tokenizer, from local files alone."""
    folder, tokens = Path(settings["path"]), settings["max_tokens"]
    if not folder.is_dir() or not (folder / "vocab.txt").is_file():
        raise InputError(
            f"{folder}: no BERT here (mgca.text.path); expected a folder with config.json, vocab.txt and "
            f"model.safetensors, e.g. of emilyalsentzer/Bio_ClinicalBERT, or null to train a small one"
        )
    bert = load_network(BertModel, folder, add_pooling_layer=False)
    bert.set_attn_implementation("eager")  # the only form that returns its attention
    tokenizer = open_checked(
        lambda: BertTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=tokens),
        lambda opened, text: opened(text, add_special_tokens=False).input_ids,
        folder,
        "BERT",
    )
    places = bert.config.max_position_embeddings
    if tokens > places:
        raise InputError(f"settings: mgca.text.max_tokens = {tokens}, but {folder} has {places} positions")
    check_size(len(tokenizer), bert.config.vocab_size, folder)
    return bert, tokenizer


@dataclass(frozen=True)
class Captions:
    """Tokenized captions: `ids` int64 (N, T); `words` int64 (N, T), the word each piece belongs to, -1 for padding.

    Word 0 is [CLS], the last one [SEP] (it counts as a word, as in MGCA). `texts` int64 (N,) is equal for equal captions.
    """

    ids: Tensor
    words: Tensor
    texts: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: object) -> Captions:
        """Return these rows, cut to the longest of them."""
        chosen = torch.as_tensor(rows)
        words = self.words[chosen]
        length = int((words >= 0).sum(1).max())
        return Captions(self.ids[chosen, :length], words[:, :length], self.texts[chosen])

    def to(self, device: torch.device) -> Captions:
        """Return the same on a device."""
        return Captions(self.ids.to(device), self.words.to(device), self.texts.to(device))


def tokenize(captions: Sequence[str], tokenizer: BertTokenizer) -> Captions:
    """Tokenize captions; those with more pieces than the tokenizer's length are cut."""
    unique = sorted(set(captions))
    length = tokenizer.model_max_length
    made = tokenizer(unique, padding="max_length", truncation=True, max_length=length)["input_ids"]
    ids = torch.tensor(made, dtype=torch.int64).view(len(unique), length)
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    inside = torch.tensor([piece.startswith(PIECE) for piece in pieces])
    padding = ids == tokenizer.pad_token_id
    words = (~inside[ids]).long().cumsum(1).sub(1).masked_fill(padding, -1)
    number = {text: k for k, text in enumerate(unique)}
    texts = torch.tensor([number[text] for text in captions], dtype=torch.int64)
    return Captions(ids[texts], words[texts], texts)
