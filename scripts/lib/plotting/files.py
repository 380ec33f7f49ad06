"""The files that a figure is written to; apart from style.py, so that a parser is built without matplotlib."""

from __future__ import annotations

import argparse
from pathlib import Path

FORMATS = (".pdf", ".png", ".svg")


def add_figure_files(parser: argparse.ArgumentParser) -> None:
    """Add `--out`: one or more files, whose names choose the format."""
    parser.add_argument("--out", type=_figure_file, nargs="+", required=True, help="figure files (.pdf .png .svg)")


def _figure_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text}: expected a name that ends in {', '.join(FORMATS)}")
    return path
