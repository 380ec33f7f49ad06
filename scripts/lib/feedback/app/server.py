"""The web side of the rating app: a Gradio page, three small routes for it, and a gate that lets nothing else through.

Gradio's own routes for files, uploads, proxies and events are closed: the page needs none of them. Nothing comes from
another host, and the page may ask none (Content-Security-Policy).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import Body, FastAPI, Header
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.tokens import find_rater

FOLDER = Path(__file__).parent
SCRIPTS = ("viewer.js", "server.js", "keys.js", "page.js")  # in the order in which they build on each other
OPEN_PATHS = ("/assets/", "/static/", "/theme.css", "/gradio_api/startup-events", "/favicon.ico", "/manifest.json")
OWN_PATHS = {"/rate/state": "GET", "/rate/set": "GET", "/rate/score": "POST"}
LARGEST_BODY = 4096
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REFUSED = "This page needs the link that was made for you: http://.../?token=... Ask whoever runs the study."


class Gate:
    """ASGI middleware: what may be asked for, by whom, and the security headers of every answer."""

    def __init__(self, app: ASGIApp, tokens: Mapping[str, str]) -> None:
        self.app, self.tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
                names = {name for name, _ in own} - ({b"cache-control"} if _is_asset(scope["path"]) else set())
                kept = [(name, text) for name, text in message["headers"] if name.lower() not in names]
                message["headers"] = kept + [(name, text) for name, text in own if name in names]
            await send(message)

        refusal = self.refusal(scope)
        await (refusal or self.app)(scope, receive, send_with_headers)
        return None

    def refusal(self, scope: Scope) -> PlainTextResponse | None:
        """Return the answer to a request that must not go through, else None."""
        path, method = scope["path"], scope["method"]
        headers = {name.lower(): text.decode("latin-1") for name, text in scope["headers"]}
        if path in OWN_PATHS:
            if method != OWN_PATHS[path]:
                return PlainTextResponse("method not allowed", 405)
            length = headers.get(b"content-length", "0" if method == "GET" else "none")
            if not length.isdigit() or int(length) > LARGEST_BODY:
                return PlainTextResponse("too large", 413)
            return None if self.rater(headers.get(b"x-token", "")) else PlainTextResponse(REFUSED, 403)
        if method == "GET" and ".." not in path and path.startswith(OPEN_PATHS):
            return None
        if method == "GET" and path == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            return None if self.rater(given) else PlainTextResponse(REFUSED, 403)
        return PlainTextResponse("not found", 404)

    def rater(self, token: str) -> str | None:
        return find_rater(self.tokens, token)


def make_app(desk: Desk, tokens: Mapping[str, str]) -> FastAPI:
    """Return the application for the raters of `tokens`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, tokens=tokens)

    @app.exception_handler(InputError)
    def refuse(_: Any, error: InputError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 422)

    @app.exception_handler(OSError)
    def fail(_: Any, error: OSError) -> JSONResponse:
        return JSONResponse({"error": f"not saved: {error.strerror or error}"}, 503)

    def rater_of(token: str) -> str:
        rater = find_rater(tokens, token)
        if rater is None:  # the gate lets no such request through
            raise InputError(REFUSED)
        return rater

    @app.get("/rate/state")
    def state(place: int | None = None, x_token: str = Header()) -> JSONResponse:
        return JSONResponse(desk.state(rater_of(x_token), place))

    @app.get("/rate/set")
    def view(place: int, x_token: str = Header()) -> JSONResponse:
        return JSONResponse(desk.view(rater_of(x_token), place))

    @app.post("/rate/score")
    def score(body: dict[str, Any] = Body(), x_token: str = Header()) -> JSONResponse:  # noqa: B008
        given = [body.get(key) for key in ("place", "image", "aspect", "score", "outline")]
        return JSONResponse(desk.score(rater_of(x_token), *given))

    return _mount_page(app)


def _mount_page(app: FastAPI) -> FastAPI:
    """Mount the Gradio page at /; environment variables keep Gradio from calling home."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    import gradio as gr

    script = "\n".join((FOLDER / name).read_text() for name in SCRIPTS)
    colours = {"body_background_fill": "#0a0c0f", "body_text_color": "#d7dde4"}
    theme = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        **colours, **{f"{name}_dark": text for name, text in colours.items()}
    )
    with gr.Blocks(title="Rating", analytics_enabled=False, fill_width=True, fill_height=True) as blocks:
        gr.HTML(html_template='<div class="desk"></div>', js_on_load=script, apply_default_css=False)
    closed: dict[str, Any] = {"footer_links": [], "run_history": False, "ssr_mode": False, "show_error": False}
    closed |= {"allowed_paths": [], "enable_monitoring": False, "mcp_server": False, "pwa": False}
    return gr.mount_gradio_app(app, blocks, "/", theme=theme, css=(FOLDER / "page.css").read_text(), **closed)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to host and port (0: any free one); InputError when it is taken."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen()
    except OSError as error:
        sock.close()
        raise InputError(
            f"--host {host} --port {port}: {error.strerror}; choose another --port, or 0 for any"
        ) from None
    return sock


def serve(app: FastAPI, sock: socket.socket) -> None:
    """Serve until interrupted; requests are not logged, as their addresses hold tokens."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    with contextlib.suppress(KeyboardInterrupt):  # how one ends it
        uvicorn.Server(config).run(sockets=[sock])


def _is_asset(path: str) -> bool:
    return path.startswith(("/assets/", "/static/"))
