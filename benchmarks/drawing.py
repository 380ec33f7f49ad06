"""Processor seconds from a sentence to a film, by step: opening the models, mask, image, and what experts say.

Processor seconds of this process, which a machine that does other work changes little. The first film warms up and does not count.

    python -m benchmarks.drawing --results FOLDER/results
"""

from __future__ import annotations

import platform
import statistics
import time

from benchmarks.rating import processor
from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.engine.drawing import add_models, check_models, takes_words

SENTENCES = (
    "right pleural effusion and cardiomegaly",
    "left consolidation",
    "no finding",
    "bilateral pleural effusion",
)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    add_models(parser)
    parser.add_argument("--films", type=int, default=10, help="films of each sentence (default 10)")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    masks, generator = check_models(args)
    begun = time.process_time()

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.conditions.mask_prompts import read_prompt
        from scripts.lib.downstream.film_experts import FilmExperts
        from scripts.lib.generators.masks.film import FilmDrawer
        from scripts.lib.study.config import CONFIG_FILE, load_study

    imported = time.process_time()
    config = load_study([CONFIG_FILE, *args.study])
    drawer = FilmDrawer(
        masks, generator, config["masks"]["sampling"], config["sampling"], 1, takes_words(args.generator)
    )
    experts = FilmExperts(args.results, config, generator, drawer.structures)
    opened = time.process_time()
    took: dict[str, list[float]] = {"mask": [], "image": [], "experts": []}
    for sentence in SENTENCES:
        ask = read_prompt(sentence, drawer.structures)
        for sample in range(args.films):
            at = [time.process_time()]
            mask = drawer.mask(ask, sample)
            at.append(time.process_time())
            image = drawer.image(mask.field, sample)
            at.append(time.process_time())
            verdict = experts.votes(image, mask.field, drawer.told(ask, mask)["shown"])
            at.append(time.process_time())
            for name, start, end in zip(took, at, at[1:]):
                took[name].append(end - start)
    print(f"{processor()}, Python {platform.python_version()}, {args.threads} threads, {drawer.resolution} pixels")
    print(f"imports {imported - begun:.1f} s, models and experts {opened - imported:.1f} s, once")
    for name, own in took.items():
        print(f"{name:8} median {statistics.median(own[1:]):.2f} s, longest {max(own[1:]):.2f} s")
    every = [sum(one) for one in zip(*took.values())][1:]
    silent = [one.expert for one in verdict.votes if one.vote is None and "is not there" in one.note]
    print(
        f"a film   median {statistics.median(every):.2f} s, longest {max(every):.2f} s; no files of {', '.join(silent) or 'no expert'}"
    )


if __name__ == "__main__":
    run(main)
