"""Draw a film from a sentence: mask, image, boxes and the votes of experts, in a folder.

    film.json      what was asked for, what the mask shows, what of it cannot be, boxes, votes
    image.png      the image           mask.png       the mask in colours, as the ControlNet sees it
    mask_bits.png  the mask, bit c = structure c of film.json

The models are those of a finished study with a mask generator (make masks, then make figure2 STUDY=...). Experts vote whose files the
study has; the others say what they lack. No person has looked at the film.

    python -m scripts.draw_film "right pleural effusion and cardiomegaly" --out DIR
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_dir
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.engine.drawing import add_models, check_models, takes_words


def main(argv: list[str] | None = None) -> None:
    """Read the sentence, draw, ask the experts, and write the folder whole."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "prompt", help='findings with their sides, such as "left consolidation and cardiomegaly"; or "no finding"'
    )
    add_models(parser)
    parser.add_argument("--seed", type=int, default=1, help="seed; another one draws another film (default 1)")
    parser.add_argument("--sample", type=int, default=0, help="number of the film of this sentence (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    masks, generator = check_models(args)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.conditions.mask_prompts import read_prompt
        from scripts.lib.core.json_files import read_json
        from scripts.lib.core.phantom import mark, say_phantoms_of
        from scripts.lib.downstream.film_experts import FilmExperts
        from scripts.lib.generators.masks.film import FilmDrawer, check_free, write_film
        from scripts.lib.study.config import CONFIG_FILE, load_study
        from scripts.lib.study.parts import study_datasets

    structures = list(read_json(masks / "synthorax.json", "the notes of a mask generator")["structures"])
    ask = read_prompt(args.prompt, structures)
    check_free(args.out)
    config = load_study([CONFIG_FILE, *args.study])
    say_phantoms_of(config, study_datasets(config), args.results)
    drawer = FilmDrawer(
        masks, generator, config["masks"]["sampling"], config["sampling"], args.seed, takes_words(args.generator)
    )
    mask = drawer.mask(ask, args.sample)
    image = drawer.image(mask.field, args.sample)
    told = {"prompt": args.prompt, **drawer.told(ask, mask)}
    verdict = FilmExperts(args.results, config, generator, structures).votes(image, mask.field, told["shown"])
    told |= {**verdict.told(), **drawer.made_by(), "sample": args.sample}
    with atomic_dir(args.out) as folder:
        write_film(folder, image, mask.field, structures, told)
    print(f"{mark()}{args.out}: the mask shows {told['shown_words']}; {verdict.said()}")
    if mask.missed:
        print(f"note: this mask does not show {', '.join(mask.missed)}; another --sample or --seed draws another one")
    if mask.faults:
        print(f"note: this mask cannot be ({', '.join(mask.faults)}); another --sample or --seed draws another one")


if __name__ == "__main__":
    run(main)
