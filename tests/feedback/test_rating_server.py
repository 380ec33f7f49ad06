"""The web side of the rating app: tokens, what the server lets through, and what it refuses."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.tokens import find_rater, load_tokens
from scripts.lib.feedback.log import read_ratings
from scripts.rate_images import main
from tests.helpers.rating_toy import ROOT, Study


def test_tokens_are_made_once_and_kept_closed(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    first = load_tokens(path, ["ann", "bob"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and min(map(len, first.values())) >= 32
    more = load_tokens(path, ["bob", "cem"])
    assert more["bob"] == first["bob"] and set(more) == {"bob", "cem"}
    assert find_rater(more, more["cem"]) == "cem"
    assert [find_rater(more, wrong) for wrong in ("", "é", first["ann"], more["bob"][:-1])] == [None] * 4
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        load_tokens(path, ["bob"])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"bob": ""}', '{"bob": 5}', json.dumps({"ann": "x" * 32, "bob": "x" * 32})]
)
def test_a_broken_file_of_tokens(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(InputError, match="remove it to make new tokens"):
        load_tokens(path, ["bob"])


def test_what_the_server_lets_through(desk: Desk, study: Study) -> None:
    from starlette.testclient import TestClient

    from scripts.lib.feedback.app.server import make_app

    tokens = {"ann": "a" * 32, "bob": "b" * 32}
    client = TestClient(make_app(desk, tokens), raise_server_exceptions=False)
    own, other = {"x-token": tokens["ann"]}, {"x-token": tokens["ann"][:-1] + "b"}
    page = client.get("/", params={"token": tokens["ann"]})
    assert {client.get(path).status_code for path in ("/page.css", "/page.js")} == {200}
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.status_code == 200 and "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store" and tokens["ann"] not in page.text
    refused = [client.get("/", params=given) for given in ({}, {"token": ""}, {"token": "é"})]
    assert [answer.status_code for answer in refused] == [403] * 3
    assert all("This link does not work" in answer.text and "desk" not in answer.text for answer in refused)
    for path in ("/rate/state", "/rate/set?place=0", "/rate/start"):
        assert client.get(path, headers=own).status_code == 200
        assert client.get(path).status_code == client.get(path, headers=other).status_code == 403
    secret = study.folder / "ratings.tokens.json"
    for path in (
        "/config", f"/file={secret}", f"/static/..%2f..%2f{secret}", "/docs", "/redoc", "/openapi.json", "/config.yaml",
        f"/{secret}", f"/page.css/..%2f..%2f{secret}", "/page.css/../server.py", "/server.py", "/page.html", "/refused.html",
        "/static//etc/passwd", "/assets/%2e%2e/%2e%2e/server.py", f"/{ROOT}/config.yaml", "/rate", "/rate/", "/page.js/",
    ):  # fmt: skip
        assert client.get(path, headers=own).status_code in (403, 404), path
    for path in ("/upload", "/page.css", "/page.js", "/login", "/"):
        assert client.post(path, headers=own).status_code == 404, path

    score = {"place": 0, "image": 0, "aspect": "text", "score": 4}
    assert client.post("/rate/score", json=score).status_code == 403
    assert client.post("/rate/score", json=score, headers=other).status_code == 403
    assert (
        client.get("/rate/score", headers=own).status_code == client.get("/rate/remark", headers=own).status_code == 405
    )
    assert (
        client.post("/rate/state", headers=own).status_code
        == client.post("/rate/start", headers=own).status_code
        == 405
    )
    remark = {"place": 0, "image": 0, "remark": "unsure", "value": True}
    assert client.post("/rate/remark", json=remark).status_code == 403
    assert client.post("/rate/remark", json=remark | {"value": "x" * 5000}, headers=own).status_code == 413
    assert client.post("/rate/remark", json=remark | {"remark": "liked"}, headers=own).status_code == 422
    assert client.post("/rate/score", json=score | {"more": "x" * 5000}, headers=own).status_code == 413
    for bad in (6, -1, 3.5, "", "3", None, True, [1]):
        answer = client.post("/rate/score", json=score | {"score": bad}, headers=own)
        assert answer.status_code == 422 and "score" in answer.json()["error"]
    assert client.post("/rate/score", json=[score], headers=own).status_code == 422
    assert study.lines() == []
    for _ in range(2):
        assert client.post("/rate/score", json=score, headers=own).json()["state"]["scores"]["text"][0] == 4
    assert len(study.lines()) == 2 and len(read_ratings(study.log)[0]) == 1
    study.log.unlink()
    study.log.mkdir()
    failed = client.post("/rate/score", json=score, headers=own)
    assert failed.status_code == 503 and "not saved" in failed.json()["error"]


def test_a_taken_port_is_one_line(study: Study) -> None:
    from scripts.lib.feedback.app.server import listen

    with listen("127.0.0.1", 0) as sock, pytest.raises(InputError, match="choose another --port"):
        main(study.arguments(sock.getsockname()[1]))
