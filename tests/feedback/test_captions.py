"""Tables of captions: what is held out, what is left out, what an answer must look like, and where reports may go."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from scripts import caption_reports as command
from scripts.lib.cohort.store import Cohort
from scripts.lib.cohort.writer import CohortWriter
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.caption_remote import RemoteWriter, check_destination, is_remote
from scripts.lib.feedback.captions import caption_table, check_caption, held_out_rows

REPORTS = ["Small left effusion.", None, "Normal.", "Small left effusion.", "See above.", "Right pneumothorax."]
SPLITS = ["validate", "validate", "validate", "validate", "validate", "train"]


def write_cohort(folder, dataset="mimic", reports=REPORTS, splits=SPLITS):
    with CohortWriter(folder, 32, [], ["pneumothorax"], {"dataset": dataset, "format": dataset}) as writer:
        for number, (report, split) in enumerate(zip(reports, splits)):
            row = {"image_id": f"i{9 - number}", "patient_id": f"p{number}", "split": split, "report": report}
            writer.add(np.zeros((32, 32), np.uint8), None, row)
    return Cohort.open(folder)


@pytest.fixture
def cohort(tmp_path):
    return write_cohort(tmp_path / "cohort")


def test_one_row_a_captioned_film_in_order_of_its_name(cohort):
    table, left_out = caption_table([cohort], {"mimic": ["validate"]}, "rules")
    assert table["image_id"].tolist() == ["i6", "i7", "i9"]
    assert table["caption"].tolist() == ["Small left pleural effusion", "Normal", "Small left pleural effusion"]
    assert table["report_sha"].nunique() == 2 and set(table["source"]) == {"rules"}
    assert left_out == {"without a report": 1, "whose report says nothing of it": 1}


def test_equal_reports_are_written_once(cohort):
    asked = []
    caption_table([cohort], {"mimic": ["validate"]}, "m", lambda report: asked.append(report) or "Normal")
    assert sorted(asked) == sorted({report for report in REPORTS[:5] if report})


def test_refused_answers_stop_or_are_left_out(cohort):
    def write(report):
        return "Small and quite large left effusion" if "effusion" in report else "Normal"

    with pytest.raises(InputError, match="mimic, image i9: .* 6 words, .*captions.refused: drop"):
        caption_table([cohort], {"mimic": ["validate"]}, "m", write)
    table, left_out = caption_table([cohort], {"mimic": ["validate"]}, "m", write, drop_refused=True)
    assert len(table) == 2 and left_out["whose answer was refused"] == 2


def test_films_that_trained_a_generator_are_refused(cohort):
    assert held_out_rows(cohort, {"mimic": ["validate"]}).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="trains the ControlNet"):
        held_out_rows(cohort, {"mimic": ["validate", "generator"]})
    with pytest.raises(InputError, match=r"no entry for cohort 'mimic', only for \['candid'\]"):
        held_out_rows(cohort, {"candid": ["test"]})
    with pytest.raises(InputError, match=r"no film there; this cohort has the splits \['train', 'validate'\]"):
        held_out_rows(cohort, {"mimic": ["test"]})


def test_no_captions_and_cohorts_given_twice_are_named(tmp_path, cohort):
    empty = write_cohort(tmp_path / "empty", "candid", [None, None], ["test", "test"])
    with pytest.raises(InputError, match="none of 2 films gets a caption"):
        caption_table([empty], {"candid": ["test"]}, "rules")
    with pytest.raises(InputError, match="given twice"):
        caption_table([cohort, cohort], {"mimic": ["validate"]}, "rules")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("small left effusion.", "Small left effusion"), (' "NORMAL" ', "Normal"), ("  Right   edema\n", "Right edema")],
)
def test_answers_are_tidied(answer, expected):
    assert check_caption(answer) == expected


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("one two three four five six", "has 6 words, expected at most 5"),
        ("", "empty answer"),
        (None, "empty answer"),
        ("New left effusion", "'New' compares"),
        ("Unchanged edema", "compares"),
        ("Edema since 2019", "compares"),
        ("<b>Edema</b>", "expected letters"),
    ],
)
def test_answers_that_are_no_caption_are_refused(answer, complaint):
    with pytest.raises(InputError, match=complaint):
        check_caption(answer)


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


@pytest.mark.parametrize("splits", ["mimic", "[]", '{"mimic": "validate"}', '{"mimic": []}'])
def test_splits_that_are_no_mapping_are_refused(splits, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--cohorts", "x", "--splits", splits, "--config", "{}", "--out", str(tmp_path / "c")])
    assert "--splits" in capsys.readouterr().err
