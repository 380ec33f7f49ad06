"""The web side of the rating app: one static page, five small routes for it, and a gate that lets nothing else through.

Nothing comes from another host, and the page may ask none (Content-Security-Policy). No route names a file of the disk: what
is served was read at the start.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from fastapi import Body, FastAPI, Header
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.tokens import find_rater

FOLDER = Path(__file__).parent
SCRIPTS = (
    "make.js",
    "outline.js",
    "viewer.js",
    "server.js",
    "desk.js",
    "keys.js",
    "start.js",
    "remarks.js",
    "page.js",
)  # each builds on those before
ASSETS = {"/page.css": "text/css", "/page.js": "text/javascript"}
READ = {"/rate/start": "GET", "/rate/state": "GET", "/rate/set": "GET"}  # what every rating page asks
WRITTEN = {"/rate/score": "POST", "/rate/remark": "POST"}
TITLE = "{title}"  # in page.html
LARGEST_BODY = 4096
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REFUSED = "This page needs the link that was made for you: http://.../?token=... Ask whoever runs the study."


class Readable(Protocol):
    """What a desk answers to every rating page."""

    def start(self, rater: str) -> dict[str, Any]: ...

    def state(self, rater: str, number: int | None = None) -> dict[str, Any]: ...

    def view(self, rater: str, number: int) -> dict[str, Any]: ...


class Gate:
    """ASGI middleware: what may be asked for, by whom, and the security headers of every answer."""

    def __init__(self, app: ASGIApp, tokens: Mapping[str, str], paths: Mapping[str, str], largest: int) -> None:
        self.app, self.tokens, self.paths, self.largest = app, tokens, paths, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
                names = {name for name, _ in own}
                kept = [(name, text) for name, text in message["headers"] if name.lower() not in names]
                message["headers"] = kept + [(name, text) for name, text in own if name in names]
            await send(message)

        refusal = self.refusal(scope)
        await (refusal or self.app)(scope, receive, send_with_headers)
        return None

    def refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that must not go through, else None."""
        path, method = scope["path"], scope["method"]
        headers = {name.lower(): text.decode("latin-1") for name, text in scope["headers"]}
        if path in self.paths:
            if method != self.paths[path]:
                return PlainTextResponse("method not allowed", 405)
            length = headers.get(b"content-length", "0" if method == "GET" else "none")
            if not length.isdigit() or int(length) > self.largest:
                return PlainTextResponse("too large", 413)
            return None if self.rater(headers.get(b"x-token", "")) else PlainTextResponse(REFUSED, 403)
        if method == "GET" and path in ASSETS:
            return None
        if method == "GET" and path == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            return None if self.rater(given) else HTMLResponse((FOLDER / "refused.html").read_text(), 403)
        return PlainTextResponse("not found", 404)

    def rater(self, token: str) -> str | None:
        return find_rater(self.tokens, token)


def make_app(desk: Desk, tokens: Mapping[str, str]) -> FastAPI:
    """Return the application for the raters of `tokens`."""
    app, rater_of = gated_app(desk, tokens, WRITTEN)

    @app.post("/rate/score")
    def score(body: dict[str, Any] = Body(), x_token: str = Header()) -> JSONResponse:  # noqa: B008
        given = [body.get(key) for key in ("place", "image", "aspect", "score", "outline_seen")]
        return JSONResponse(desk.score(rater_of(x_token), *given))

    @app.post("/rate/remark")
    def remark(body: dict[str, Any] = Body(), x_token: str = Header()) -> JSONResponse:  # noqa: B008
        given = [body.get(key) for key in ("place", "image", "remark", "value")]
        return JSONResponse(desk.remark(rater_of(x_token), *given))

    return serve_page(app, "Rating of chest images", SCRIPTS, ("page.css",))


def gated_app(
    desk: Readable, tokens: Mapping[str, str], written: Mapping[str, str]
) -> tuple[FastAPI, Callable[[str], str]]:
    """Return an application that answers READ and the paths `written` alone, and what tells the rater of a token.

    The caller adds the routes of `written`.
    """
    app, rater_of = plain_app(tokens, {**READ, **written})

    @app.get("/rate/start")
    def start(x_token: str = Header()) -> JSONResponse:
        return JSONResponse(desk.start(rater_of(x_token)))

    @app.get("/rate/state")
    def state(place: int | None = None, x_token: str = Header()) -> JSONResponse:
        return JSONResponse(desk.state(rater_of(x_token), place))

    @app.get("/rate/set")
    def view(place: int, x_token: str = Header()) -> JSONResponse:
        return JSONResponse(desk.view(rater_of(x_token), place))

    return app, rater_of


def plain_app(
    tokens: Mapping[str, str], paths: Mapping[str, str], largest: int = LARGEST_BODY
) -> tuple[FastAPI, Callable[[str], str]]:
    """Return an application that lets these paths through alone, {path: method}, and what tells whose a token is.

    What is wrong with a request is answered in one line. `largest`: bytes of a request. The caller adds the routes.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, tokens=tokens, paths=paths, largest=largest)

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

    return app, rater_of


def serve_page(app: FastAPI, title: str, scripts: Sequence[str], styles: Sequence[str]) -> FastAPI:
    """Serve the page with its title, style and script, as they are now."""
    page = (FOLDER / "page.html").read_text().replace(TITLE, title)
    content = {"/page.css": "\n".join((FOLDER / style).read_text() for style in styles)}
    content["/page.js"] = "\n".join((FOLDER / script).read_text() for script in scripts)

    @app.get("/")
    def whole() -> HTMLResponse:
        return HTMLResponse(page)

    def asset(path: str) -> Callable[[], Response]:
        return lambda: Response(content[path], media_type=ASSETS[path])

    for path in ASSETS:
        app.get(path)(asset(path))
    return app


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


def announce(host: str, sock: socket.socket, heading: str, tokens: Mapping[str, str]) -> None:
    """Print the link of each token, and how to come from another machine."""
    port = sock.getsockname()[1]
    if host not in ("127.0.0.1", "::1", "localhost"):
        print(f"warning: {host} is open to the network and the page is not encrypted; prefer an ssh tunnel")
    shown = f"[{host}]" if ":" in host else host
    print(heading)
    for name, token in tokens.items():
        print(f"{name}\thttp://{shown}:{port}/?token={token}", flush=True)
    print(f"From another machine first: ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}")


def serve(app: FastAPI, sock: socket.socket) -> None:
    """Serve until interrupted; requests are not logged, as their addresses hold tokens."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
    )
    with contextlib.suppress(KeyboardInterrupt):  # how one ends it
        uvicorn.Server(config).run(sockets=[sock])
