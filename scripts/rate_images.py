"""Serve the page on which raters score sets of four images, from 0 to 5, or answer forms; prints each rater's own link.

The page is for one machine (127.0.0.1); from elsewhere use a tunnel: ssh -L 7860:127.0.0.1:7860 MACHINE. Each score is
on the disk before the page shows it as saved; stop and start at any time, everyone goes on where they stopped.

    python -m scripts.rate_images --study results [--rater NAME]
    python -m scripts.rate_images --sets sets.parquet --assignments assignments.parquet --pool pool/shard-* \
        --cohort mimic/cohort candid/cohort --ratings ratings.jsonl
    python -m scripts.rate_images --forms results/children/questionnaire [--ratings answers.jsonl]
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.lib.core.errors import InputError
from scripts.lib.engine.commands import make_parser, run, set_threads

if TYPE_CHECKING:
    from fastapi import FastAPI

NEEDED = ("sets", "assignments", "pool", "ratings")


def fill_from_study(args: Namespace) -> None:
    """Fill what was not given from the layout of a study's results."""
    feedback = args.study / "feedback"
    args.sets = args.sets or feedback / "sets.parquet"
    args.assignments = args.assignments or feedback / "assignments.parquet"
    args.pool = args.pool or sorted((feedback / "pool").glob("shard-*"), key=lambda path: int(path.name[6:]))
    args.cohort = args.cohort or sorted(path.parent for path in args.study.glob("*/cohort/cohort.json"))
    args.ratings = args.ratings or feedback / "ratings.jsonl"
    if not args.pool:
        raise InputError(
            f"{feedback}/pool: no shards of images to rate; make them with snakemake rated_sets (make rate)"
        )


def open_forms(args: Namespace) -> tuple[FastAPI, dict[str, str]]:
    """Return the page of the questionnaire in the folder `--forms`, and its raters' tokens; its log is answers.jsonl there."""
    from scripts.lib.feedback.app.form_desk import FormDesk, open_questionnaire
    from scripts.lib.feedback.app.form_server import make_form_app
    from scripts.lib.feedback.forms.answers import AnswerLog

    args.ratings = args.ratings or args.forms / "answers.jsonl"
    asked = open_questionnaire(args.forms)
    desk = FormDesk(asked, AnswerLog(args.ratings), args.name or args.forms.resolve().parent.name)
    tokens = load_checked(args, desk.warnings, list(asked.places))
    return make_form_app(desk, tokens), tokens


def open_sets(args: Namespace) -> tuple[FastAPI, dict[str, str]]:
    """Return the page of the sets, and its raters' tokens."""
    from scripts.lib.cohort.store import Cohort
    from scripts.lib.feedback.app.desk import Desk
    from scripts.lib.feedback.app.pictures import Pictures
    from scripts.lib.feedback.app.places import read_places
    from scripts.lib.feedback.app.server import make_app
    from scripts.lib.feedback.log import RatingLog
    from scripts.lib.feedback.tables import ASSIGNMENTS, SETS, read_table

    cohorts = [Cohort.open(folder) for folder in args.cohort]
    pictures = Pictures(read_table(args.sets, SETS), Cohort.open(args.pool), cohorts, str(args.sets))
    places = read_places(read_table(args.assignments, ASSIGNMENTS), pictures.sets, str(args.assignments))
    name = args.name or (args.study.resolve().parent.name if args.study else args.ratings.resolve().parent.name)
    desk = Desk(places, pictures, RatingLog(args.ratings), name)
    tokens = load_checked(args, desk.warnings, list(places))
    return make_app(desk, tokens), tokens


def load_checked(args: Namespace, warnings: list[str], raters: list[str]) -> dict[str, str]:
    """Return the tokens of the raters, after what the log warns of; raises InputError for a `--rater` who is none of them."""
    from scripts.lib.feedback.app.tokens import load_tokens

    for warning in warnings:
        print(f"warning: {warning}", flush=True)
    if args.rater and args.rater not in raters:
        raise InputError(f"--rater {args.rater}: no such rater; this study has {', '.join(raters)}")
    return load_tokens(args.tokens or args.ratings.with_suffix(".tokens.json"), raters)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--study", type=Path, help="results folder of a study, in place of the five options below")
    parser.add_argument("--forms", type=Path, help="folder of a questionnaire (draw_forms), in place of sets")
    parser.add_argument("--sets", type=Path, help="table of sets (.parquet)")
    parser.add_argument("--assignments", type=Path, help="which rater sees which set when (.parquet)")
    parser.add_argument("--pool", type=Path, nargs="+", help="shards of the generated images")
    parser.add_argument(
        "--cohort", type=Path, nargs="*", default=[], help="cohorts of the real films of blind controls"
    )
    parser.add_argument("--ratings", type=Path, help="log of ratings (.jsonl), made or gone on with")
    parser.add_argument("--name", help="name of the study on the page (default: that of the folder around --study)")
    parser.add_argument("--rater", help="print the link of this rater alone (default: of all)")
    parser.add_argument("--tokens", type=Path, help="file of the raters' tokens (default: beside the log)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on, 0 for any (default 7860)")
    args = parser.parse_args(argv)
    if args.study and args.forms:
        parser.error("--study and --forms: give one of them")
    if args.study:
        fill_from_study(args)
    missing = [] if args.forms else [name for name in NEEDED if not getattr(args, name)]
    if missing:
        parser.error(f"--study, or {', '.join(f'--{name}' for name in missing)} is needed")
    set_threads(args.threads)

    from scripts.lib.feedback.app.server import announce, listen, serve

    app, tokens = open_forms(args) if args.forms else open_sets(args)
    sock = listen(args.host, args.port)
    shown = {rater: token for rater, token in tokens.items() if args.rater in (None, rater)}
    announce(args.host, sock, "Open a rater's own link in a browser:", shown)
    print(
        f"Scores go to {args.ratings}. Stop with Ctrl+C: nothing is lost, and everyone goes on where they stopped.",
        flush=True,
    )
    serve(app, sock)


if __name__ == "__main__":
    run(main)
