"""Tables of captions: what is held out, what is left out, and what an answer must look like."""

import pytest

from scripts import caption_reports as command
from scripts.lib.core.errors import InputError
from scripts.lib.feedback.captions import caption_table, check_caption, held_out_rows
from tests.helpers.captioned_films import REPORTS, write_cohort


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


@pytest.mark.parametrize("splits", ["mimic", "[]", '{"mimic": "validate"}', '{"mimic": []}'])
def test_splits_that_are_no_mapping_are_refused(splits, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--cohorts", "x", "--splits", splits, "--config", "{}", "--out", str(tmp_path / "c")])
    assert "--splits" in capsys.readouterr().err
