"""Options that the commands of edits share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_editing(parser: argparse.ArgumentParser, *parts: str) -> None:
    """Add `--cohort`, `--target` and `--seed`, and those of `parts`: generator (with `--sampling`), judge (with `--verdict`)."""
    if "generator" in parts:
        parser.add_argument("--generator", type=Path, required=True, help="folder of a generator that follows classes")
        parser.add_argument("--sampling", type=json.loads, required=True, help="section sampling, as JSON")
    if "judge" in parts:
        parser.add_argument("--judge", type=Path, required=True, help="folder of the judge")
        parser.add_argument("--verdict", type=Path, required=True, help="what check_judge found (.json)")
    parser.add_argument("--cohort", type=Path, required=True, help="cohort whose films are edited")
    parser.add_argument("--target", nargs="+", required=True, help="labels that are classes, beside normal")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
