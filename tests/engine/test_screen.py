"""What stands on the screen when jobs fail: one line each, and it is the last."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError, listed
from scripts.lib.core.nearest import did_you_mean, near_file
from scripts.lib.engine.screen import FailureFormatter, failure_of, last_lines
from scripts.lib.engine.start import check_profile, one_line

LOG = ["results/logs/x/a.log"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "reading\nprepare_cohort: error: films.csv row 3: a1 twice; keep one of the two\n",
            "FAILED x: films.csv row 3: a1 twice -> do: keep one of the two",
        ),
        (  # the last part is no advice: it stays with the reason
            "x: error: width 3; expected 4\n",
            "FAILED x: width 3; expected 4 -> do: mend that, then give the same command again",
        ),
        (
            "x: error: 2 problems:\n- a: bad\n- b: worse; set b\n",
            "FAILED x: 2 problems: - a: bad - b: worse -> do: set b",
        ),
        (
            "Traceback (most recent call last):\n  File ...\nzipfile.BadZipFile: no\nRuntimeError: {'a': 1}\n",
            "FAILED x: RuntimeError: {'a': 1} -> do: read results/logs/x/a.log, then give the same command again",
        ),
        ("unet:  48%|####| 312/650 [00:01]\nno room here\n", "FAILED x: no room here -> do: read results/logs/x/a.log"),
        ("step\nKilled\n", "FAILED x: it was ended by the system (Killed) -> do: give it more memory"),
        ("", "FAILED x: it ended without a word"),
    ],
)
def test_the_reason_of_a_failure_is_found_in_its_log(text: str, line: str) -> None:
    told = failure_of("x", LOG, text).lines()
    assert told[0] == "log of x: results/logs/x/a.log" and told[1].startswith(line), told
    assert " -> do: " in told[1] and "\n" not in told[1]


def test_failures_of_one_reason_are_told_once() -> None:
    same = [failure_of("x", [f"{n}.log"], "x: error: no a; add a\n") for n in range(3)]
    other = failure_of("y", [], "y: error: no b; add b\n")
    assert last_lines([*same, other]) == [
        "log of x: 0.log",
        "FAILED x (3 jobs): no a -> do: add a",
        "FAILED y: no b -> do: add b",
    ]


def record(text: str, **fields: object) -> logging.LogRecord:
    found = logging.LogRecord("snakemake", logging.ERROR, "", 0, text, None, None)
    vars(found).update(fields)
    return found


def test_the_screen_ends_with_the_failure_and_shows_no_command(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("x: error: no mask in film 3; add one\n")
    screen = FailureFormatter(logging.Formatter("%(message)s"), show_logs=True)
    command = 'CalledProcessError in file "x.smk":\nCommand \'python --config {"a":1}\' returned'
    shown = [
        screen.format(record("Job 3: Train")),
        screen.format(record(command)),
        screen.format(record("", event="job_error", rule_name="x", log=[str(log)])),
        screen.format(record("Shutting down, this might take some time.")),
        screen.format(record("Complete log(s): y")),
        screen.format(record("WorkflowError:\nAt least one job did not complete successfully.")),
    ]
    text = "\n".join(shown)
    assert text.splitlines()[-1] == "FAILED x: no mask in film 3 -> do: add one"
    assert "{" not in text and "Shutting" not in text and "Job 3: Train" in text and "Complete log" in text


def test_an_unexpected_end_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(f"line {n}" for n in range(40)) + "\nValueError: odd\n")
    screen = FailureFormatter(logging.Formatter("%(message)s"), show_logs=True)
    shown = screen.format(record("", event="job_error", rule_name="x", log=[str(log)])).splitlines()
    # an empty line, the last 15 of 41 lines, the place of the log, the failure
    assert len(shown) == 18 and shown[1] == "    line 26" and shown[15] == "    ValueError: odd"


def test_several_problems_are_bullets(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise InputError.of(["a: bad", "b: worse"])

    with pytest.raises(SystemExit):
        one_line(fail)
    assert capsys.readouterr().err == "Error: 2 problems:\n- a: bad\n- b: worse\n"
    assert listed(InputError("a: bad")) == listed(InputError.of(["a: bad"])) == "a: bad"
    assert str(InputError.of(["a", "b"])) == "a; b"


def test_typos_are_answered_with_what_was_meant(tmp_path: Path) -> None:
    assert did_you_mean("fiugre3", ["figure3", "evidence"]) == "; did you mean figure3?"
    assert did_you_mean("qqq", ["figure3", "evidence"]) == ""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "tiny.yaml").touch()
    meant = f"; did you mean {tmp_path / 'studies' / 'tiny.yaml'}?"
    assert near_file(tmp_path / "studies" / "tinny.yaml", [], [".yaml"]) == meant
    assert near_file("tiny.yml", [tmp_path / "studies"], [".yaml"]) == meant
    assert near_file(tmp_path / "gone" / "x.yaml", [tmp_path / "gone"], [".yaml"]) == ""
    with pytest.raises(InputError, match=r"slrum: there is no such folder; did you mean profiles/slurm\?"):
        check_profile(["--workflow-profile", "slrum"], Path(__file__).resolve().parents[2])
