"""Which rating is the latest: clocks that go back, writes that fail, logs that are merged, shuffled and doubled."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts import build_preferences
from scripts.lib.cohort.store import Cohort
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.app.desk import Desk
from scripts.lib.feedback.app.pictures import Pictures
from scripts.lib.feedback.app.places import read_places
from scripts.lib.feedback.log import Rating, RatingLog, read_ratings
from tests.feedback.test_preferences import RULE
from tests.helpers.rating_toy import Study, write_study

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(*minutes: float):
    """A clock that shows these minutes after noon, one after the other."""
    times = iter(minutes)
    return lambda: NOON + timedelta(minutes=next(times))


def score(value: int, image: int = 0, **changes: object) -> Rating:
    about = {"rater": "ann", "set_id": "set-0", "role": "shared", "place": 0, "aspect": "text"} | changes
    return Rating(image=image, score=value, **about)


def latest_score(path: Path) -> int:
    (row,) = read_ratings(path)[0].itertuples()
    return row.score


def test_within_a_session_the_sequence_decides(tmp_path: Path) -> None:
    log = RatingLog(tmp_path / "log", "s", at(0, 9, 3))
    for value in (1, 2, 3):  # the clock is set back before the last one
        log.append(score(value))
    assert latest_score(log.path) == 3 and read_ratings(log.path)[1]["score"].tolist() == [1, 2, 3]


def test_between_sessions_the_time_decides_wherever_the_lines_stand(tmp_path: Path) -> None:
    path = tmp_path / "log"
    RatingLog(path, "a", at(5)).append(score(5))
    RatingLog(path, "z", at(4)).append(score(4))  # another machine's log, put behind it
    assert latest_score(path) == 5 and read_ratings(path)[1]["line"].tolist() == [2, 1]


def test_at_one_time_the_later_name_of_a_session_counts(tmp_path: Path) -> None:
    for order in ("ab", "ba"):
        for name in order:
            RatingLog(tmp_path / order, name, at(0)).append(score("ab".index(name)))
        assert latest_score(tmp_path / order) == 1


def test_times_in_other_zones_are_compared_as_times(tmp_path: Path) -> None:
    path = tmp_path / "log"
    RatingLog(path, "a", at(0)).append(score(0))
    text = path.read_text().replace('"a"', '"b"').replace('"score": 0', '"score": 1')
    path.write_text(path.read_text() + text.replace("12:00:00.000+00:00", "13:30:00.000+02:00"))  # 11:30 in UTC
    assert latest_score(path) == 0


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-01-01T12:00:00", "2026-01-01", "12:00:00+00:00", "2026-13-01T00:00Z"]
)
def test_a_time_that_is_none_is_named(tmp_path: Path, time: str) -> None:
    path = tmp_path / "log"
    RatingLog(path, "a", at(0)).append(score(0))
    path.write_text(path.read_text().replace("2026-01-01T12:00:00.000+00:00", time))
    with pytest.raises(InputError, match=r"log:1: time .*expected ISO 8601 with its offset"):
        read_ratings(path)


def test_two_ratings_with_one_number_are_named_and_equal_ones_are_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    RatingLog(path, "a", at(0)).append(score(0))
    path.write_text(2 * path.read_text())
    latest, history, warnings = read_ratings(path)
    assert len(latest) == len(history) == 1 and not warnings and history["line"][0] == 1
    RatingLog(path, "a", at(1)).append(score(1))  # by hand: the same session, begun anew
    with pytest.raises(InputError, match=r"log:3: session a has another rating with sequence 0; remove one"):
        read_ratings(path)


def test_a_write_that_fails_and_is_tried_again_leaves_a_log_that_can_be_read(tmp_path: Path, monkeypatch) -> None:
    """The page sends a score until it is confirmed; the first time only the disk's answer was missing."""
    log, sync = RatingLog(tmp_path / "log", "a", at(0, 1, 2)), os.fsync
    log.append(score(0))

    def full(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", sync)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        log.append(score(4))
    log.append(score(4))
    latest, history, _ = read_ratings(log.path)
    assert latest["score"].tolist() == [4] and history["score"].tolist() == [0, 4, 4]
    assert history["sequence"].tolist() == [0, 1, 2]


def open_desk(study: Study, log: RatingLog) -> Desk:
    sets, assignments = (pd.read_parquet(study.folder / f"{name}.parquet") for name in ("sets", "assignments"))
    pool, cohort = Cohort.open([study.folder / "pool/shard-0"]), Cohort.open(study.folder / "cohort")
    pictures = Pictures(sets, pool, [cohort], "sets.parquet")
    return Desk(read_places(assignments, pictures.sets, "assignments.parquet"), pictures, log)


def test_what_the_page_shows_counts_even_if_the_clock_was_set_back_before_a_restart(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    for value, minute in ((1, 60), (2, 0), (3, 0)):  # each server's clock is behind, or as late as, the one before
        desk = open_desk(study, RatingLog(study.log, f"session-{9 - value}", at(minute)))
        shown = desk.score("ann", 0, 0, "text", value)["state"]["scores"]["text"]
        desk.close()
        assert shown[0] == value == latest_score(study.log)
    with closing(open_desk(study, RatingLog(study.log))) as again:
        assert again.state("ann", 0)["scores"]["text"][0] == 3 and again.state("ann")["place"] == 0


def test_the_page_takes_scores_and_place_from_time_not_from_lines(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    desk = open_desk(study, RatingLog(study.log, "s", at(0, 1, 2, 3)))
    for position, value in ((0, 5), (1, 4), (0, 2)):
        desk.score("ann", 0, position, "text", value)
    desk.score("ann", 2, 0, "mask", 1)
    desk.close()
    before = desk.state("ann"), desk.state("ann", 0)
    assert before[0]["place"] == 2 and before[1]["scores"]["text"] == [2, 4, None, None]
    study.log.write_text("".join(2 * study.log.read_text().splitlines(keepends=True)[::-1]))
    with closing(open_desk(study, RatingLog(study.log))) as again:
        assert (again.state("ann"), again.state("ann", 0)) == before


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[bytes]]:
    """A log of two raters with corrections, repeats and controls, each in two sessions; its lines and its preferences."""
    folder = tmp_path_factory.mktemp("order")
    names = [f"set-{k}" for k in range(6)]
    kinds = ["text", "both", "mask", "text", "control", "text"]
    frame = pd.DataFrame({"set_id": names, "kind": kinds, "prompt": "edema", "mask_source": None})
    frame.assign(condition_id=names).to_parquet(folder / "sets.parquet")
    pd.DataFrame({"rater": ["ann", "bob"]}).to_parquet(folder / "assignments.parquet")
    aspects = {"text": ["text"], "mask": ["mask"], "both": ["text", "mask"], "control": ["text"]}
    for r, rater in enumerate(("ann", "bob")):
        order = [(place, k, "control" if kinds[k] == "control" else "shared") for place, k in enumerate(range(6))]
        order += [(6, 0, "repeat"), (7, 1, "repeat")]
        for session in range(2):  # the second one corrects all of the first, but for the mask set
            log = RatingLog(
                folder / "log.jsonl", f"{rater}-{1 - session}", at(*range(200 * session, 200 * session + 199))
            )
            log.extend(
                score((3 * k + 5 * i + 2 * session + r + place) % 6, i, rater=rater, place=place, role=role)
                if (aspect, k) == ("text", 0)
                else Rating(rater, names[k], role, place, i, aspect, (k + 2 * i + session * (1 + i) + r) % 6)
                for place, k, role in order
                for i in range(4)
                for aspect in aspects[kinds[k]]
                if not (session and kinds[k] == "mask")
            )
    lines = (folder / "log.jsonl").read_text().splitlines()
    return folder, lines, preferences(folder, lines)


def preferences(folder: Path, lines: list[str]) -> list[bytes]:
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
    outs = {name: folder / f"{name}.jsonl" for name in ("train", "heldout", "report")}
    tables = ["--sets", f"{folder}/sets.parquet", "--assignments", f"{folder}/assignments.parquet"]
    files = ["--ratings", f"{folder}/log.jsonl", *tables, "--out-train", str(outs["train"])]
    files += ["--out-report", str(outs["report"])]
    build_preferences.main([*files, "--out-heldout", str(outs["heldout"]), "--config", json.dumps(RULE), "--seed", "1"])
    return [path.read_bytes() for path in outs.values()]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(stream=st.randoms(use_true_random=False), twice=st.floats(0, 1))
def test_the_order_and_the_number_of_lines_change_no_byte(corrected, stream, twice: float) -> None:
    folder, lines, expected = corrected
    mixed = lines + lines[: round(twice * len(lines))]
    stream.shuffle(mixed)
    assert preferences(folder, mixed) == expected


def test_without_the_corrections_it_would_be_others(corrected) -> None:
    """So that the test above can fail."""
    folder, lines, expected = corrected
    first = [line for line in lines if json.loads(line)["session"].endswith("-1")]
    assert preferences(folder, first) != expected and all(expected)
