"""Draw the forms of a reading study: which synthetic images and real films readers see, half of each, and who sees them when.

    python -m scripts.sample_reading --pool results/chestxdet/pools/aurad/fraction-1/shard-0 --cohort results/chestxdet/cohort \\
        --config reading.json --raters ana ben --seed 1 --out results/chestxdet/reading
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.core.atomic import atomic_file
from scripts.lib.engine.commands import add_config, make_parser, run, set_threads


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--pool", type=Path, nargs="+", required=True, help="shards of the synthetic images")
    parser.add_argument(
        "--cohort", type=Path, required=True, help="cohort of the real films, of which split test is shown"
    )
    add_config(parser, "films, told, shared_share, repeat_share and questions of reading")
    parser.add_argument("--raters", nargs="+", required=True, help="names of the readers")
    parser.add_argument("--seed", type=int, required=True, help="seed of the study")
    parser.add_argument("--out", type=Path, required=True, help="folder of the reading study")
    args = parser.parse_args(argv)
    set_threads(args.threads)

    from scripts.lib.cohort.store import Cohort
    from scripts.lib.core.log import log
    from scripts.lib.feedback.assignments import deal_sets
    from scripts.lib.feedback.forms.folder import write_forms, write_pictures
    from scripts.lib.feedback.forms.questions import make_questions
    from scripts.lib.feedback.forms.reading import TOLD, draw_reading, write_told
    from scripts.lib.training.settings import Section

    settings = Section(args.config, "reading")
    questions, told = make_questions(settings["questions"], ()), settings["told"]
    cohort = Cohort.open(args.cohort)
    forms, pictures, notes = draw_reading(Cohort.open(args.pool), cohort, settings, args.seed)
    for note in notes:
        log(f"note: {note}")
    assignments = deal_sets(forms, args.raters, {**settings, "images": 1}, args.seed)
    write_pictures(args.out / "pictures", pictures, cohort.resolution, cohort.structures)
    with atomic_file(args.out / TOLD) as path:
        write_told(path, told)
    write_forms(args.out, forms, assignments, questions)
    print(f"{len(forms)} films, half of them real, {len(assignments)} places to answer")


if __name__ == "__main__":
    run(main)
