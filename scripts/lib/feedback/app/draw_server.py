"""The web side of the drawing page: another page behind the same gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Body, FastAPI
from fastapi.responses import JSONResponse

from scripts.lib.feedback.app.draw_desk import DrawDesk
from scripts.lib.feedback.app.server import plain_app, serve_page

SCRIPTS = ("make.js", "outline.js", "viewer.js", "server.js", "desk.js", "brush.js", "draw.js")
LARGEST_BODY = 1 << 22  # a mask of 512 pixels, drawn over and over, has fewer bytes as runs
ROUTES = {
    "/draw/start": "GET",
    "/draw/mask": "POST",
    "/draw/image": "POST",
    "/draw/votes": "POST",
    "/draw/keep": "POST",
}


def make_draw_app(desk: DrawDesk, tokens: Mapping[str, str]) -> FastAPI:
    """Return the application for those who have one of `tokens`."""
    app, _ = plain_app(tokens, ROUTES, LARGEST_BODY)

    @app.get("/draw/start")
    def start() -> JSONResponse:
        return JSONResponse(desk.start())

    @app.post("/draw/mask")
    def mask(body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
        return JSONResponse(desk.mask(body.get("prompt"), body.get("sample")))

    @app.post("/draw/image")
    def image(body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
        return JSONResponse(desk.image(*(body.get(key) for key in ("prompt", "runs", "condition", "sample"))))

    @app.post("/draw/votes")
    def votes(body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
        return JSONResponse(desk.votes(*(body.get(key) for key in ("runs", "condition", "sample"))))

    @app.post("/draw/keep")
    def keep(body: dict[str, Any] = Body()) -> JSONResponse:  # noqa: B008
        return JSONResponse(desk.keep(*(body.get(key) for key in ("prompt", "runs", "condition", "sample"))))

    return serve_page(app, "From a sentence to a chest film", SCRIPTS, ("page.css", "forms.css", "draw.css"))
