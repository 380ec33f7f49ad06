"""Draw a film from a sentence: mask.png, image.png and film.json (what was asked for, what is shown, boxes) in a folder.

The models are those of a finished study with a mask generator. No expert looks at the film: it shows what the models make of the
words, and nobody has said that it is right.

    python -m scripts.draw_film "right pleural effusion and cardiomegaly" --out DIR
"""

from __future__ import annotations

import json
from pathlib import Path

from scripts.lib.core.atomic import atomic_dir
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    """Read the sentence, draw, and write the folder whole."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "prompt", help='findings with their sides, such as "left consolidation and cardiomegaly"; or "no finding"'
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="results of a study (default results)")
    parser.add_argument("--generator", default="controlnet", help="generator of the images (default controlnet)")
    parser.add_argument(
        "--study", type=Path, nargs="*", default=[], help="overlays of the study, for its sampling settings"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed; another one draws another film (default 1)")
    parser.add_argument("--sample", type=int, default=0, help="number of the film of this sentence (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    folder, generator = args.results / "generators" / "masks", args.results / "generators" / args.generator
    for path, rule in ((folder, "make masks"), (generator, "make figure2 STUDY=studies/aurad-phantom.yaml")):
        if not (path / "synthorax.json").is_file():
            raise InputError(f"{path}: no model there; make it with {rule}, or give --results")

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from PIL import Image

        from scripts.lib.conditions.mask_prompts import read_prompt
        from scripts.lib.conditions.masks import conditioning_image
        from scripts.lib.core.json_files import read_json
        from scripts.lib.generators.masks.film import draw_image, draw_mask, summary
        from scripts.lib.generators.masks.network import open_masks
        from scripts.lib.study.config import CONFIG_FILE, load_study
        from scripts.lib.training.settings import Section

    structures = list(read_json(folder / "synthorax.json", "the notes of a mask generator")["structures"])
    ask = read_prompt(args.prompt, structures)
    config = load_study([CONFIG_FILE, *args.study])
    made = open_masks(folder)
    one = {"micro_batch": 1}
    drawing, sampling = (
        Section(config["masks"]["sampling"] | one, "masks.sampling"),
        Section(config["sampling"] | one, "sampling"),
    )
    mask = draw_mask(made, ask, drawing, args.seed, args.sample)
    image = draw_image(generator, mask.field, structures, sampling, args.seed, args.sample)
    told = {
        "prompt": args.prompt,
        **summary(ask, mask, structures, made.notes["least"]),
        "masks": made.fingerprint,
        "seed": args.seed,
    }
    with atomic_dir(args.out) as out:
        Image.fromarray(image).save(out / "image.png")
        Image.fromarray(conditioning_image(mask.field, structures)).save(out / "mask.png")
        (out / "film.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
