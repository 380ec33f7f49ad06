"""Edit a film of your own: the same child, as the class-conditional model of a finished study imagines it with another class.

Writes a folder with film.png (as the model sees it), edited.png, difference.png (red brighter, blue darker) and edit.json. The edit
shows what the model has learned of a class. It is no diagnosis, and nobody has said that it is right.

    python -m scripts.edit_film FILM.png --to normal --out DIR
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_dir
from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads

CHILDREN = Path("runs/paediatric/results")  # where make paediatric leaves its model


def main(argv: list[str] | None = None) -> None:
    """Read the film, edit it, and write the folder whole."""
    parser = make_parser(__doc__)
    parser.add_argument("film", type=Path, help="a film: PNG, JPEG or DICOM")
    parser.add_argument("--to", required=True, help="class that the film is given, such as normal")
    parser.add_argument("--of", default="", help="class of the film; may be left out where there are two classes")
    parser.add_argument("--results", type=Path, default=CHILDREN, help=f"results of a study (default {CHILDREN})")
    parser.add_argument("--study", type=Path, nargs="*", default=[], help="overlays of the study")
    parser.add_argument("--way", default="", help="ddpm, ddim or sdedit (default: the first of edits.ways)")
    parser.add_argument(
        "--strength", type=float, help="share of the noise schedule, 0 to 1 (default: what a sweep chose)"
    )
    parser.add_argument("--guidance", type=float, help="strength of guidance, 1 = none (default: what a sweep chose)")
    parser.add_argument("--judge", type=Path, help="folder of a judge that looks at the film before and after")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    generator = args.results / "generators" / "class-ldm"
    if not (generator / "synthorax.json").is_file():
        raise InputError(f"{generator}: no model there; make it with make paediatric, or give --results")

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.core.phantom import mark, say_phantoms_of
        from scripts.lib.editing.own_film import Wish, edit_own, write_edit
        from scripts.lib.study.config import CONFIG_FILE, load_study
        from scripts.lib.study.parts import study_datasets

    config = load_study([CONFIG_FILE, *args.study])
    say_phantoms_of(config, study_datasets(config), args.results)
    wish = Wish(args.to, args.of, args.way, args.strength, args.guidance)
    edit = edit_own(args.results, config, args.film, wish, args.judge)
    with atomic_dir(args.out) as folder:
        write_edit(folder, edit)
    print(f"{mark()}{edit.said()}")


if __name__ == "__main__":
    run(main)
