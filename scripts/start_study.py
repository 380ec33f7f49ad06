"""Write a short overlay for your own films from a look at their table: labels, identifiers, masks and splits are guessed.

    python -m scripts.start_study films.csv
    python -m scripts.start_study FOLDER    # films in a folder for each class: writes FOLDER/films.csv first
    make check STUDY=studies/mine.yaml

Each guess has a comment; look at them before anything runs.
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run

STUDIES = Path(__file__).resolve().parents[1] / "studies"


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("table", type=Path, help="CSV table with a row a film, or a folder with one for each class")
    parser.add_argument(
        "--root", type=Path, help="folder that the paths in the table start from (default: the table's)"
    )
    parser.add_argument(
        "--out", type=Path, default=STUDIES / "mine.yaml", help="the overlay (default studies/mine.yaml)"
    )
    args = parser.parse_args(argv)

    from scripts.lib.core.atomic import atomic_file
    from scripts.lib.core.errors import InputError
    from scripts.lib.formats.foldering import table_of_folder
    from scripts.lib.formats.guessing import folders_of, guess_table
    from scripts.lib.formats.starting import overlay_lines

    if args.out.exists():
        raise InputError(f"{args.out}: there already; name another file with --out, or remove it")
    if args.table.is_dir():
        args.table = table_of_folder(args.table)
        print(
            f"Written: {args.table}, a row a film, from the names of the folders; whose films they are has to be added\n"
        )
    root = (args.root or args.table.resolve().parent).resolve()
    if not args.table.is_file():
        raise InputError(f"{args.table}: no such table; expected a CSV file with a row a film")
    if root not in args.table.resolve().parents:
        raise InputError(f"{args.table}: does not lie below {root}; the table has to lie below the folder of the films")
    guess = guess_table(args.table)
    guess.folders = folders_of(guess, root)
    lines = overlay_lines(guess, root)
    with atomic_file(args.out) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    near = args.out.resolve()
    shown = near.relative_to(Path.cwd()) if Path.cwd() in near.parents else near
    place = f"STUDY='{shown}' DIR='runs/{args.out.stem}'"
    print(
        f"\nWritten: {shown}. Look at the data next:\n    make check {place}\nthen run the study:\n    make figure2 {place}"
    )


if __name__ == "__main__":
    run(main)
