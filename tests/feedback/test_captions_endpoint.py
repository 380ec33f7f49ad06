"""Captions by a language model: where reports may go, what the endpoint is asked, and what becomes of its answers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest

from scripts import caption_reports as command
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.caption_remote import RemoteWriter, check_destination, is_remote
from tests.helpers.captioned_films import write_cohort


@pytest.fixture
def cohort(tmp_path):
    return write_cohort(tmp_path / "cohort")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "http://localhost/v1", "https://[::1]:8/v1", "http://127.8.9.1"]
)
def test_addresses_of_this_machine(url):
    assert not is_remote(url)


REMOTE = [
    "https://api.openai.com/v1",
    "http://127.0.0.1@example.com/v1",
    "http://localhost.example.com",
    "http://127.0.0.1.nip.io/v1",
    "http://10.0.0.5:8000/v1",
    "http://0.0.0.0:8000/v1",
]


@pytest.mark.parametrize("url", REMOTE)
def test_reports_go_nowhere_else_unless_it_is_allowed(url):
    cohorts = [{"dataset": "m", "format": "mimic"}, {"dataset": "c", "format": "candid"}]
    assert is_remote(url)
    for allowed in (False, None, "yes", 1):
        with pytest.raises(InputError, match=r"MIMIC-CXR's PhysioNet .*CANDID-PTX .*allow_remote_reports: true"):
            check_destination({"base_url": url, "allow_remote_reports": allowed}, cohorts)
    check_destination({"base_url": url, "allow_remote_reports": True}, cohorts)


def test_what_is_no_address_is_refused():
    for url in ("127.0.0.1:8000", "file:///etc/passwd", ""):
        with pytest.raises(InputError, match="expected an address"):
            is_remote(url)


class Endpoint(ThreadingHTTPServer):
    """A fake endpoint: answers from a list of (status, text), the last of them for ever; keeps what it was sent."""

    def __init__(self, answers):
        self.answers, self.bodies, self.headers = list(answers), [], {}
        super().__init__(("127.0.0.1", 0), Answering)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Answering(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, text = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        if status != 200:
            body = {"error": {"message": text}}
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **server.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def endpoint():
    pytest.importorskip("openai", reason="the package openai is not installed")
    started = []

    def start(*answers):
        server = Endpoint(answers)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def settings_for(url, **changes):
    chosen = {"backend": "openai", "base_url": url, "model": "m", "instruction": None, "api_key_env": "NO_SUCH_KEY"}
    return chosen | {"timeout": 5, "retries": 0, "refused": "stop", "allow_remote_reports": False} | changes


def test_a_model_is_asked_at_temperature_0_and_once_a_report(endpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")  # nothing on this machine goes through a proxy
    monkeypatch.setenv("OPENAI_BASE_URL", "http://192.0.2.1:9")
    server = endpoint((200, "small left effusion."))
    for _ in range(2):
        write = RemoteWriter(settings_for(server.url), [], tmp_path / "cache")
        assert write("A report.") == "Small left effusion"
    (body,) = server.bodies
    assert body["temperature"] == 0 and body["model"] == "m"
    assert body["messages"][1] == {"role": "user", "content": "A report."}
    assert "five words" in body["messages"][0]["content"]
    (kept,) = (tmp_path / "cache").iterdir()
    assert "A report" not in kept.read_text()
    other = RemoteWriter(settings_for(server.url, instruction="Say it shortly."), [], tmp_path / "cache")
    other("A report.")
    assert len(server.bodies) == 2 and server.bodies[1]["messages"][0]["content"] == "Say it shortly."


def test_a_passing_fault_is_tried_again(endpoint):
    server = endpoint((500, "busy"), (200, "Normal"))
    server.headers = {"retry-after-ms": 1}
    assert RemoteWriter(settings_for(server.url, retries=2), [], None)("A report.") == "Normal"
    assert len(server.bodies) == 2


def test_faults_of_the_endpoint_are_one_line(endpoint):
    server = endpoint((401, "wrong key"))
    with pytest.raises(InputError, match="refused: .*wrong key") as caught:
        RemoteWriter(settings_for(server.url), [], None)("A report.")
    assert "\n" not in str(caught.value)
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="no answer from .*start the endpoint"):
        RemoteWriter(settings_for(server.url), [], None)("A report.")


def test_a_redirect_is_not_followed(endpoint):
    elsewhere, server = endpoint((200, "Normal")), endpoint((307, "go"))
    server.headers = {"Location": f"{elsewhere.url}/chat/completions"}
    with pytest.raises(InputError, match="refused"):
        RemoteWriter(settings_for(server.url), [], None)("A report.")
    assert not elsewhere.bodies


def command_line(cohort, folder):
    """Return the options of the command that all of its tests give."""
    splits = '{"mimic": ["validate"]}'
    return ["--cohorts", str(cohort.folders[0]), "--splits", splits, "--out", str(folder / "c.parquet")]


def test_the_command_refuses_a_long_answer_and_keeps_the_good_ones(endpoint, tmp_path, cohort, capsys):
    server = endpoint((200, "Left effusion"), (200, "This answer has far too many words"))
    line = command_line(cohort, tmp_path)
    line += ["--config", json.dumps(settings_for(server.url)), "--cache-dir", str(tmp_path / "cache")]
    with pytest.raises(InputError, match=r"mimic, image i7: captions.model m: .*has 7 words, expected at most 5"):
        command.main(line)
    assert not (tmp_path / "c.parquet").exists() and len(list((tmp_path / "cache").iterdir())) == 1
    server.answers = [(200, "Normal")]
    command.main(line)
    table = pd.read_parquet(tmp_path / "c.parquet")
    assert set(table["source"]) == {"m"} and set(table["caption"]) == {"Left effusion", "Normal"}
    assert len(server.bodies) == 4  # two, then the two that were not kept


def test_dropped_answers_are_kept_as_well_so_that_a_second_run_asks_nothing(endpoint, tmp_path, cohort, capsys):
    server = endpoint((200, "Left effusion"), (200, "This answer has far too many words"))
    cache, settings = tmp_path / "cache", settings_for(server.url, refused="drop")
    line = ["--cohorts", str(cohort.folders[0]), "--splits", '{"mimic": ["validate"]}', "--cache-dir", str(cache)]
    tables = []
    for name in ("one", "two"):
        command.main([*line, "--config", json.dumps(settings), "--out", str(tmp_path / name)])
        tables.append((tmp_path / name).read_bytes())
        assert "'whose answer was refused': 2" in capsys.readouterr().out
    assert len(server.bodies) == 3 and tables[0] == tables[1]  # three different reports, each sent once
    assert len(list(cache.iterdir())) == 3
    assert not any("too many" in path.read_text() or "See above" in path.read_text() for path in cache.iterdir())
    server.answers = [(200, "Normal")]
    command.main([*line, "--config", json.dumps(settings | {"refused": "stop"}), "--out", str(tmp_path / "three")])
    assert len(server.bodies) == 5 and len(pd.read_parquet(tmp_path / "three")) == 4  # the refused ones, once more


@pytest.mark.parametrize("text", ["{", "[]", '{"caption": 5}', '{"model": "m"}'])
def test_a_broken_file_of_an_answer_is_named(endpoint, tmp_path, text):
    server = endpoint((200, "Normal"))
    RemoteWriter(settings_for(server.url), [], tmp_path)("A report.")
    (path,) = tmp_path.iterdir()
    path.write_text(text)
    with pytest.raises(InputError, match="not a kept caption .*remove this file"):
        RemoteWriter(settings_for(server.url), [], tmp_path)("A report.")


def test_without_the_package_the_rules_still_work(monkeypatch, tmp_path, cohort, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "openai", None)
    line = command_line(cohort, tmp_path)
    command.main([*line, "--config", '{"backend": "rules", "splits": {"candid": ["test"]}}'])
    first = (tmp_path / "c.parquet").read_bytes()
    assert "3 captions, 2 different" in capsys.readouterr().out
    line[2:4] = ["--config", '{"backend": "rules", "splits": {"mimic": ["validate"]}}']
    command.main(line)
    assert (tmp_path / "c.parquet").read_bytes() == first
    with pytest.raises(InputError, match="pip install openai"):
        RemoteWriter(settings_for("http://127.0.0.1:1/v1"), [], None)


def test_a_remote_endpoint_needs_its_key(monkeypatch):
    pytest.importorskip("openai", reason="the package openai is not installed")
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(InputError, match="NO_SUCH_KEY is not set"):
        RemoteWriter(settings_for("https://example.com/v1", allow_remote_reports=True), [], None)
