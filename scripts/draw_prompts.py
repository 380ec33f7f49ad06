"""Serve the page on which a person types a sentence, sees anatomy, findings and image appear, changes the mask and draws again.

The page is for one machine (127.0.0.1); from elsewhere use a tunnel: ssh -L 7861:127.0.0.1:7861 MACHINE. Kept films are what
draw_film writes, in folders film-1, film-2 ... of --out. No person has looked at a film before.

    python -m scripts.draw_prompts --results results --out results/drawn
"""

from __future__ import annotations

from pathlib import Path

from scripts.lib.engine.commands import make_parser, run, set_threads
from scripts.lib.engine.drawing import add_models, check_models, takes_words


def main(argv: list[str] | None = None) -> None:
    """Open the models, print the link, and serve until interrupted."""
    parser = make_parser(__doc__)
    add_models(parser)
    parser.add_argument("--seed", type=int, default=1, help="seed; another one draws other films (default 1)")
    parser.add_argument("--out", type=Path, help="folder of kept films (default: drawn, below --results)")
    parser.add_argument("--tokens", type=Path, help="file of the link's token (default: tokens.json in --out)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine)")
    parser.add_argument("--port", type=int, default=7861, help="port to listen on, 0 for any (default 7861)")
    args = parser.parse_args(argv)
    set_threads(args.threads)
    masks, generator = check_models(args)

    from scripts.lib.engine.lean_imports import lean_imports

    with lean_imports():
        from scripts.lib.core.phantom import say_phantoms_of
        from scripts.lib.downstream.film_experts import FilmExperts
        from scripts.lib.feedback.app.draw_desk import DrawDesk
        from scripts.lib.feedback.app.draw_server import make_draw_app
        from scripts.lib.feedback.app.server import announce, listen, serve
        from scripts.lib.feedback.app.tokens import load_tokens
        from scripts.lib.generators.masks.film import FilmDrawer
        from scripts.lib.study.config import CONFIG_FILE, load_study
        from scripts.lib.study.parts import study_datasets

    config = load_study([CONFIG_FILE, *args.study])
    say_phantoms_of(config, study_datasets(config), args.results)
    out = args.out or args.results / "drawn"
    drawer = FilmDrawer(
        masks, generator, config["masks"]["sampling"], config["sampling"], args.seed, takes_words(args.generator)
    )
    experts = FilmExperts(args.results, config, generator, drawer.structures)
    desk = DrawDesk(drawer, experts, out, config["study"]["name"])
    desk.warm_up()
    tokens = load_tokens(args.tokens or out / "tokens.json", ["draw"])
    sock = listen(args.host, args.port)
    announce(args.host, sock, "Open this link in a browser:", tokens)
    print(f"Kept films go to {out}. Stop with Ctrl+C.", flush=True)
    serve(make_draw_app(desk, tokens), sock)


if __name__ == "__main__":
    run(main)
