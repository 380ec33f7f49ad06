"""The log of ratings: what counts, what is refused, and what a crash or two writers at once may do to it."""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.feedback.agreement_raters import describe_raters
from scripts.lib.feedback.log import KEYS, REMARK_KEYS, Rating, RatingLog, read_ratings, read_remarks
from scripts.lib.feedback.log_values import Remark, as_comment, is_comment
from tests.helpers.rating_toy import ROOT

GOOD = {"rater": "ann", "set_id": "set-1", "role": "shared", "place": 0, "image": 2, "aspect": "text", "score": 3}


def rating(**changed: object) -> Rating:
    return Rating(**(GOOD | changed))


def line(**changed: object) -> str:
    record = {"time": "2026-01-01T00:00:00+00:00"} | GOOD | {"session": "s", "sequence": 0} | changed
    return json.dumps({key: value for key, value in record.items() if value is not ...})


def test_latest_counts_and_history_stays(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "deep/ratings.jsonl")
    for one in (rating(), rating(image=0), rating(score=5), rating(score=5), rating(rater="bob", score=0)):
        log.append(one)
    latest, history, warnings = read_ratings(log.path)
    assert history["score"].tolist() == [3, 3, 5, 5, 0] and history["line"].tolist() == [1, 2, 3, 4, 5]
    assert latest[["rater", "image", "score"]].values.tolist() == [["ann", 0, 3], ["ann", 2, 5], ["bob", 2, 0]]
    assert list(history.columns) == [*KEYS, "line"] and warnings == []
    assert history["sequence"].tolist() == [0, 1, 2, 3, 4] and history["session"].nunique() == 1


def test_numpy_numbers_become_whole_numbers(tmp_path: Path) -> None:
    made = rating(place=np.int64(4), score=np.int8(0))
    assert type(made.place) is int and json.dumps(asdict(made))


@pytest.mark.parametrize("score", [6, -1, 3.5, 3.0, "3", "", None, True, float("nan")])
def test_a_score_that_is_none_is_refused_by_the_rating_and_by_the_reader(tmp_path: Path, score: object) -> None:
    with pytest.raises(InputError, match="score .*whole number from 0 to 5"):
        rating(score=score)
    path = tmp_path / "ratings.jsonl"
    path.write_text(line() + "\n" + line(score=score) + "\n")
    with pytest.raises(InputError, match=r"ratings.jsonl:2: score"):
        read_ratings(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(rater=...), "keys"),
        (line(extra=1), "keys"),
        (line(aspect="beauty"), "aspect 'beauty'"),
        (line(role="guest"), "role 'guest'"),
        (line(image=4), "image 4"),
        (line(place=-1), "place -1"),
        (line(rater=" "), "rater"),
        (line(rater="a\nb"), "rater"),
        (line(sequence="0"), "sequence"),
        (line(set_id="set-9", image=1), "held"),
        ("scores follow", "not JSON"),
        ("[1]", "keys list"),
        (line() + line(), "not JSON"),
        (line() + ",", "not JSON"),
        (line()[:-1], "not JSON"),
        (line()[:30], "not JSON"),
        (line()[1:], "not JSON"),
        (line()[:-1] + ', "score": 5}', "key 'score' is given twice"),
        pytest.param("[" * 100_000, "not JSON", id="nested 100,000 deep"),
    ],
)
def test_a_line_that_is_no_rating_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(f"{line()}\n{text}\n{line()}\n")
    with pytest.raises(InputError, match=rf"ratings.jsonl:2: .*{message}"):
        read_ratings(path)


def test_a_log_from_before_the_outline_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(line() + "\n" + line(outline=False, image=1, sequence=1) + "\n")
    assert read_ratings(path)[0].sort_values("image")["outline_seen"].tolist() == [False, None]
    path.write_text(line(outline="no") + "\n")
    with pytest.raises(InputError, match="jsonl:1: outline_seen 'no': expected true, false or null"):
        read_ratings(path)


def test_strangers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(line() + "\n")
    assert len(read_ratings(path, {"set-1"}, {"ann"})[0]) == 1
    with pytest.raises(InputError, match="jsonl:1: set_id 'set-1' is not of this study"):
        read_ratings(path, sets={"set-2"})
    with pytest.raises(InputError, match="jsonl:1: rater 'ann' is not of this study"):
        read_ratings(path, raters={"bob"})


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no ratings"):
        read_ratings(tmp_path / "ratings.jsonl")
    (tmp_path / "ratings.jsonl").touch()
    latest, history, warnings = read_ratings(tmp_path / "ratings.jsonl")
    assert len(latest) == len(history) == len(warnings) == 0 and list(latest.columns) == [*KEYS, "line"]


@pytest.mark.parametrize("end", ["", "\n", "\0\0\0", "\n\n"])
@pytest.mark.parametrize("cut", [1, 20, len(line()) - 1])
def test_a_torn_end_is_dropped_reported_and_replaced(tmp_path: Path, cut: int, end: str) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(line() + "\n" + line(image=1)[:cut] + end)
    latest, _, warnings = read_ratings(path)
    assert len(latest) == 1 and len(warnings) == 1 and "ratings.jsonl:2: the last line, torn by a crash" in warnings[0]
    RatingLog(path).append(rating(image=3))
    latest, history, warnings = read_ratings(path)
    assert latest["image"].tolist() == [2, 3] and history["line"].tolist() == [1, 2] and warnings == []


@pytest.mark.parametrize(
    "damage", [lambda text: text + ",", lambda text: text.replace(", ", ",, ", 1), lambda text: text[1:]]
)
def test_a_last_line_that_a_hand_has_damaged_is_an_error_and_stays(tmp_path: Path, damage) -> None:
    path = tmp_path / "ratings.jsonl"
    before = line() + "\n" + damage(line(image=1))
    path.write_text(before)
    with pytest.raises(InputError, match=r"ratings.jsonl:2: not JSON .*correct or remove this line"):
        read_ratings(path)
    RatingLog(path).append(rating(image=3))
    assert path.read_text().startswith(before + "\n")


def test_a_comma_behind_every_line_loses_no_score(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    lines = [
        line(place=number // 4, image=number % 4, set_id=f"set-{number // 4}", sequence=number) for number in range(40)
    ]
    path.write_text("\n".join(lines) + "\n")
    assert len(read_ratings(path)[0]) == 40
    path.write_text(",\n".join(lines) + "\n")
    with pytest.raises(InputError, match="ratings.jsonl:1: not JSON"):
        read_ratings(path)


def test_zeros_behind_a_whole_line_do_not_cost_its_score(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(line() + "\0\0")
    RatingLog(path).append(rating(image=3))
    latest, _, warnings = read_ratings(path)
    assert latest["image"].tolist() == [2, 3] and warnings == []


def test_a_line_that_only_lacks_its_newline_counts(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    path.write_text(line())
    RatingLog(path).append(rating(image=3))
    latest, _, warnings = read_ratings(path)
    assert latest["image"].tolist() == [2, 3] and warnings == []


def test_a_given_session_and_clock_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        log = RatingLog(tmp_path / name, "simulated", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        log.extend([rating(), rating(image=1)])
        log.append(rating(score=0))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert read_ratings(tmp_path / "one")[1]["sequence"].tolist() == [0, 1, 2]


def _write(path: Path, rater: str, count: int) -> None:
    log = RatingLog(path)
    for number in range(count):
        log.append(Rating(rater, "set-1", "own", 0, number % 4, "text", number % 6))


def test_writers_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    path, names = tmp_path / "ratings.jsonl", ["ann", "bob", "cem", "dia"]
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(path, name, 60)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _, history, warnings = read_ratings(path)
    assert warnings == [] and len(history) == 240
    for name in names:
        assert history.loc[history["rater"] == name, "sequence"].tolist() == list(range(60))


def test_a_writer_killed_in_between_leaves_what_it_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    code = (
        "import sys; from pathlib import Path; from scripts.lib.feedback.log import Rating, RatingLog\n"
        "log = RatingLog(Path(sys.argv[1]))\n"
        "for k in range(10**6):\n"
        "    log.append(Rating('ann', 'set-1', 'own', 0, k % 4, 'text', k % 6)); print(k, flush=True)\n"
    )
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        before = len(read_ratings(path)[1]) if path.exists() else 0
        assert writer.stdout.readline() == "0\n"
        time.sleep(0.02)
        writer.send_signal(signal.SIGKILL)
        confirmed = len(writer.communicate()[0].splitlines()) + 1
        _, history, _ = read_ratings(path)
        assert confirmed <= len(history) - before <= confirmed + 1


def remark(**changes: object) -> Remark:
    return Remark(**({"rater": "ann", "set_id": "a", "role": "own", "place": 0, "image": 1} | changes))


def test_remarks_stand_beside_the_ratings_and_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "ratings.jsonl"
    log = RatingLog(path)
    log.append(Rating("ann", "a", "own", 0, 1, "text", 4))
    log.extend([remark(remark="unsure", value=True), remark(remark="not_chest", value=True)])
    log.extend([remark(remark="unsure", value=False), remark(image=None, remark="comment", value="dark at the apex")])
    told = {row.remark: (row.image, row.value) for row in read_remarks(path).itertuples()}
    assert told["unsure"] == (1, False) and told["not_chest"] == (1, True)
    assert told["comment"][1] == "dark at the apex"
    assert read_remarks(path)["image"].isna().sum() == 1
    raters = describe_raters(read_ratings(path)[0].assign(kind="text"), read_remarks(path))
    assert raters["note"][0].endswith("; 1 images flagged as no chest film, 1 sets with a comment")
    assert read_ratings(path)[1]["score"].tolist() == [4] and list(read_remarks(path).columns) == list(REMARK_KEYS)


@pytest.mark.parametrize(
    "changes",
    [
        {"remark": "unsure", "value": 1},
        {"remark": "unsure", "value": True, "image": None},
        {"remark": "liked", "value": True},
        {"remark": "comment", "value": "with an image"},
        {"remark": "comment", "value": "a }", "image": None},
        {"remark": "comment", "value": "two\nlines", "image": None},
        {"remark": "comment", "value": "x" * 501, "image": None},
    ],
)
def test_what_is_no_remark_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        remark(**changes)


def test_a_comment_becomes_what_the_log_takes() -> None:
    assert as_comment("two\n lines {x}") == "two lines (x)" and is_comment(as_comment("a\tb }"))
    assert as_comment(None) is None and not is_comment(None)
