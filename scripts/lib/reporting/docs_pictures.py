"""The pictures and captions of README and docs, made from one run of the embedded study, and the check that they still are.

A caption stands between two marks, in whichever page of README.md and docs/ has them.
`docs/pictures.json` keeps of each picture its digest, of each caption the facts that it was written from, and which code
and configuration the run had.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.evidence.tables import FIGURE2, read_table
from scripts.lib.reporting.docs_captions import ORDERED, caption, facts_of, ordered_facts
from scripts.lib.reporting.docs_first_screen import answer_facts, first_screen
from scripts.lib.reporting.docs_notebook import NAME as NOTEBOOK
from scripts.lib.reporting.docs_notebook import can_be_made, notebook
from scripts.lib.reporting.docs_replication import replication_facts
from scripts.lib.study.fingerprint import fingerprint

# Picture in docs/: the file below results/ that it is made from, and its width in pixels.
PICTURES = {
    "figure2.png": ("figure2.png", 1300),
    "figure3.png": ("figure3.png", 1300),
    "figure4.png": ("figure4.png", 1440),
    "replication.png": ("replication.png", 1300),
    "sheet.png": ("chexpert/pools/original/fraction-0.1/sheet.png", 1100),
}
TABLES = {name: f"tables/{name}.csv" for name in ("figure2", "figure3", "figure4")}
RECORD = Path("docs", "pictures.json")
# What a run of the embedded study computes with.
CODE = (
    "train_base",
    "train_controlnet",
    "sample_pool",
    "train_trials",
    "pretrain_mgca",
    "compare_arms",
    "plot_figure2",
)


def renew(root: Path, results: Path) -> list[str]:
    """Copy the pictures of `results` to docs/ and write their captions anew; return what was renewed.

    root     the repository
    results  a folder where `make figure2 figure3 figures` has run; after `make figure2` alone the other pictures stay, and the
             record does not say that they are of this code
    Raises InputError where Figure 2 or a picture's table is missing, or no page has a place for a caption.
    """
    here = {name: sources for name, sources in PICTURES.items() if (results / sources[0]).is_file()}
    tables = {name: table for name, table in TABLES.items() if f"{name}.png" in here}
    needed = ["figure2.png", *tables.values(), *([ORDERED] if "figure4" in tables else [])]
    if missing := [str(results / file) for file in needed if not (results / file).is_file()]:
        raise InputError(f"{', '.join(missing)}: missing; run `make figure2 figure3 figures` first")
    old = json.loads((root / RECORD).read_text()) if (root / RECORD).is_file() else {}
    record = {"study": study_digest(root) if here.keys() == PICTURES.keys() else old.get("study", "")}
    facts = {
        name: facts_of(read_table(results / table, FIGURE2, optional=FIGURE2), name) for name, table in tables.items()
    }
    if "figure4" in facts:
        facts["figure4"] |= ordered_facts(results)
    facts |= answer_facts(results) | replication_facts(results)
    pages = with_captions(read_pages(root), facts)
    pictures = {name: smaller(results / source, width) for name, (source, width) in here.items()}
    pictures |= first_screen(results)
    if can_be_made(results):
        pictures[NOTEBOOK] = notebook(results).encode()
    for name, content in pictures.items():
        with atomic_file(root / "docs" / name) as path:
            path.write_bytes(content)
    for page, text in pages.items():
        with atomic_file(root / page) as path:
            path.write_text(text, encoding="utf-8")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in pictures.items()}
    with atomic_file(root / RECORD) as path:
        kept = {"pictures": {**old.get("pictures", {}), **digests}, "facts": {**old.get("facts", {}), **facts}}
        path.write_text(json.dumps({**record, **kept}, indent=1, sort_keys=True) + "\n")
    return [*(f"docs/{name}" for name in pictures), *pages, str(RECORD)]


def differences(root: Path) -> Iterator[str]:
    """Yield one line for each picture or caption that is not what was renewed last."""
    if not (root / RECORD).is_file():
        yield f"{RECORD}: missing; `make docs-figures` writes it"
        return
    record = json.loads((root / RECORD).read_text())
    for name, digest in record["pictures"].items():
        path = root / "docs" / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"docs/{name}: not the picture that was renewed last; run `make docs-figures`"
    pages = read_pages(root)
    for name, facts in record["facts"].items():
        for page, text in with_captions(pages, {name: facts}).items():
            if text != pages[page]:
                yield f"{page}: the caption of {name} does not say what its table says; run `make docs-figures`"


def outdated(root: Path) -> bool:
    """Return whether code or configuration have changed since the pictures' run, so that another run may differ."""
    return json.loads((root / RECORD).read_text())["study"] != study_digest(root)


def study_digest(root: Path) -> str:
    """Return a digest of the configuration and the code that the embedded study is made with; comments do not count."""
    from scripts.lib.study.config import read_study

    parts = [
        json.dumps(read_study([root / "config.yaml"]), sort_keys=True),
        *(fingerprint(f"scripts.{name}") for name in CODE),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def smaller(source: Path, width: int) -> bytes:
    """Return a picture as a PNG of at most this width with 256 colours."""
    from PIL import Image

    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.quantize(256).save(content, format="PNG", optimize=True)
    return content.getvalue()


def read_pages(root: Path) -> dict[str, str]:
    """Return {path below the root: text} of README.md and of every page of docs/."""
    paths = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def with_captions(pages: Mapping[str, str], facts: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return the pages that hold a caption of one of these figures, with it written anew from its facts.

    Raises InputError for a figure whose caption has a place in no page.
    """
    renewed: dict[str, str] = {}
    for name, fact in facts.items():
        places = [page for page, text in pages.items() if _place(name).search(text)]
        if not places:
            first, last = _marks(name)
            raise InputError(f"no page has a place for the caption of {name}; it stands between {first} and {last}")
        for page in places:
            renewed[page] = with_caption(renewed.get(page, pages[page]), name, caption(name, fact))
    return renewed


def with_caption(text: str, name: str, words: str) -> str:
    """Return a page's text with what stands between the marks of a figure's caption replaced."""
    first, last = _marks(name)
    return _place(name).sub(lambda _: f"{first}\n{words}\n{last}", text)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: written by make docs-figures -->", f"<!-- end of {name} -->"


def _place(name: str) -> re.Pattern[str]:
    first, last = _marks(name)
    return re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.S)
