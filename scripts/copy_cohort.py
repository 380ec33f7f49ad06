"""Give a dataset the cohort of another one, file by file; on one disk they are the same files under two names.

    python -m scripts.copy_cohort --files results/chestxdet/cohort/images.npy results/chestxdet/cohort/cohort.json \\
        --out results/chestxdet-boxes/cohort
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run


def main(argv: list[str] | None = None) -> None:
    """Write the files."""
    parser = make_parser(__doc__)
    parser.add_argument("--files", type=Path, nargs="+", required=True, help="files of the cohort")
    parser.add_argument("--out", type=Path, required=True, help="folder of the other cohort")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    for source in args.files:
        if not source.is_file():
            raise InputError(f"{source}: no such file; prepare that cohort first")
        target = args.out / source.name
        if target.exists() and target.samefile(source):
            continue
        with atomic_file(target) as path:
            try:
                os.link(source, path)
            except OSError:  # another disk, or one without links
                shutil.copyfile(source, path)


if __name__ == "__main__":
    run(main)
