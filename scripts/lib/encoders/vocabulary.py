"""Whether a tokenizer tells texts apart: transformers builds an empty one from a folder without a vocabulary, silently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

from scripts.lib.core.errors import InputError

Tokenizer = TypeVar("Tokenizer", bound=Any)
# Of the same length and with different first letters: an empty tokenizer makes one unknown token of each letter.
PROBES = ("edema", "heart", "lungs", "right", "chest")


PADDING = 128  # of a table of tokens: up to a multiple of this


def check_size(tokens: int, rows: int, source: object) -> None:
    """Raise InputError unless a text encoder with `rows` embeddings fits a tokenizer of `tokens`: as many, or padded."""
    if tokens > rows:
        raise InputError(f"{source}: {tokens} tokens, but the text encoder's config.json knows {rows}; not its own")
    if rows - tokens >= PADDING:
        raise InputError(
            f"{source}: {tokens} tokens of the {rows} that the text encoder's config.json knows; the vocabulary is cut or "
            f"not its own; get a true copy"
        )


def check_vocabulary(encode: Callable[[str], Sequence[int]], source: object, unknown: int | None = None) -> None:
    """Raise InputError unless `encode` gives different texts different tokens, and knows common words.

    `encode` returns the tokens of a text; where they come without markers of begin and end, `unknown` is the token for
    what the vocabulary does not hold. `source` names the tokenizer in the error.
    """
    made = {text: tuple(encode(text)) for text in PROBES}
    for one, other in combinations(PROBES, 2):
        if made[one] == made[other]:
            raise InputError(
                f"{source}: {one!r} and {other!r} become the same tokens {list(made[one][:8])}; its vocabulary is missing "
                f"or not its own (vocab.json and merges.txt, vocab.txt, or tokenizer.json); get a true copy"
            )
    strange = [text for text in PROBES if not made[text] or (unknown is not None and unknown in made[text])]
    if strange:
        raise InputError(f"{source}: its vocabulary does not hold {strange[0]!r}; it is not whole; get a true copy")


def open_checked(
    load: Callable[[], Tokenizer], encode: Callable[[Tokenizer, str], Sequence[int]], folder: Path, kind: str
) -> Tokenizer:
    """Return the tokenizer that `load` opens in a folder; raises InputError when it cannot, or tells no texts apart.

    `encode` returns a text's tokens without markers; `kind` (CLIP, BERT) is named in the error.
    """
    try:
        tokenizer = load()
        check_vocabulary(lambda text: encode(tokenizer, text), folder, tokenizer.unk_token_id)
    except InputError:
        raise
    except Exception as error:  # the tokenizers library raises bare exceptions
        raise InputError(
            f"{folder}: not a {kind} tokenizer ({' '.join(str(error).split())[:200]}); get a true copy"
        ) from None
    return tokenizer
