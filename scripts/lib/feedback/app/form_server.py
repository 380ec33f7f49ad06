"""The web side of the questionnaire: another page behind the same gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Body, FastAPI, Header
from fastapi.responses import JSONResponse

from scripts.lib.feedback.app.form_desk import FormDesk
from scripts.lib.feedback.app.server import gated_app, serve_page

SCRIPTS = ("make.js", "outline.js", "viewer.js", "server.js", "desk.js", "forms.js")


def make_form_app(desk: FormDesk, tokens: Mapping[str, str]) -> FastAPI:
    """Return the application for the raters of `tokens`."""
    app, rater_of = gated_app(desk, tokens, {"/rate/answer": "POST"})

    @app.post("/rate/answer")
    def answer(body: dict[str, Any] = Body(), x_token: str = Header()) -> JSONResponse:  # noqa: B008
        given = [body.get(key) for key in ("place", "question", "answer")]
        return JSONResponse(desk.answer(rater_of(x_token), *given))

    return serve_page(app, "Questions about chest films", SCRIPTS, ("page.css", "forms.css"))
