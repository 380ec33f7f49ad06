"""Write one phantom dataset: procedural chest X-rays laid out on disk exactly as the real dataset is.

Outputs: the folder --out, whole or not at all, and the manifest --manifest (JSON: settings, counts, sha256 of the tree).

    python -m scripts.write_phantom --dataset siim --format siim --seed 1 --config '{"patients": 40}' \\
        --out results/phantom/siim --manifest results/phantom/siim.json
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from scripts.lib.core.atomic import atomic_dir, atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import add_config, make_parser, progress, run, set_threads
from scripts.lib.phantom.settings import DEFAULTS, settings_of


def tree_manifest(root: Path) -> dict[str, Any]:
    """Return the number of files below `root`, how many of each type, and one sha256 over all names and contents."""
    digest, types = hashlib.sha256(), Counter[str]()
    files = sorted(
        (path for path in root.rglob("*") if path.is_file()), key=lambda path: path.relative_to(root).as_posix()
    )
    for path in files:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
        types[path.suffix if path.suffix in {".dcm", ".jpg", ".csv", ".txt"} else "other"] += 1
    return {"n_files": len(files), "sha256": digest.hexdigest(), "files": dict(sorted(types.items()))}


def main(argv: list[str] | None = None) -> None:
    """Plan, draw and write the dataset."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--dataset", required=True, help="name of the dataset; parts its random streams from the others'"
    )
    parser.add_argument("--format", required=True, choices=sorted(DEFAULTS), help="the real dataset whose form to take")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--manifest", type=Path, required=True, help="JSON file to write")
    add_config(parser, "the phantom dataset (what is left out takes the format's default)")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.core.seeds import derive_seed
    from scripts.lib.phantom.study import plan_films
    from scripts.lib.phantom.writers import candid, chestxdet, chexpert, medmnist, mimic, rsna, siim, vindr_pcxr
    from scripts.lib.phantom.writers.tree import grow_tree

    if args.manifest.resolve().is_relative_to(args.out.resolve()):
        raise InputError(
            f"--manifest {args.manifest} lies inside --out {args.out}, which is written whole; put it beside"
        )
    settings = settings_of(args.format, args.config)
    films = plan_films(args.format, args.config, args.seed, args.dataset)
    track = functools.partial(progress, total=len(films), desc=args.dataset)
    writers = {"candid": candid, "chexpert": chexpert, "mimic": mimic, "rsna": rsna, "siim": siim}
    writers |= {"medmnist": medmnist, "vindr-pcxr": vindr_pcxr, "chestxdet": chestxdet}
    with atomic_dir(args.out) as root:
        key = derive_seed(args.seed, "phantom", args.dataset)
        writers[args.format].write_tree(grow_tree(root, settings, key, films, track))
        found = tree_manifest(root)
    record = {"dataset": args.dataset, "format": args.format, "seed": args.seed, "config": settings, **found}
    with atomic_file(args.manifest) as path:
        path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
