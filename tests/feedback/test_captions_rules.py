"""Captions by rule, against a table of reports in the manner of MIMIC-CXR, CANDID-PTX and the phantom."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.feedback.caption_rules import MAX_WORDS, Mention, caption, compose, conclusion, mentions
from scripts.lib.feedback.captions import check_caption
from scripts.lib.phantom.reports import as_note, as_text, write_report
from scripts.lib.phantom.settings import settings_of
from scripts.lib.phantom.study import plan_films

MIMIC = {
    "Normal chest radiograph.": "Normal",
    "No acute cardiopulmonary process.": "Normal",
    "No acute intrathoracic abnormality.": "Normal",
    "No evidence of acute cardiopulmonary disease.": "Normal",
    "No pneumothorax.": "Normal",
    "Clear lungs. No pleural effusion or pneumothorax. Heart size is normal.": "Normal",
    "No focal consolidation, pleural effusion, or pneumothorax is seen.": "Normal",
    "Small left pleural effusion.": "Small left pleural effusion",
    "Interval increase in small to moderate right pleural effusion.": "Small right pleural effusion",
    "Unchanged moderate right pneumothorax since ___.": "Moderate right pneumothorax",
    "New large left pneumothorax. Findings discussed with Dr. ___ by telephone at 4:15 pm.": "Large left pneumothorax",
    "1. Stable cardiomegaly. 2. No pneumonia.": "Cardiomegaly",
    "Moderate cardiomegaly with mild pulmonary edema.": "Moderate cardiomegaly and mild edema",
    "Bilateral pleural effusions and bibasilar atelectasis.": "Bilateral pleural effusions and atelectasis",
    "Right lower lobe pneumonia.": "Right lower lobe pneumonia",
    "Left lower lobe opacity concerning for pneumonia.": "Left lower lobe pneumonia",
    "Retrocardiac opacity may represent atelectasis or pneumonia.": "Possible retrocardiac atelectasis",
    "No significant change in left apical pneumothorax.": "Left apical pneumothorax",
    "Resolution of previously seen right pneumothorax.": "Normal",
    "Previously noted left effusion is no longer seen. Persistent right basilar atelectasis.": "Right basal atelectasis",
    "Interval removal of right chest tube. No pneumothorax.": "Normal",
    "No pneumothorax, left chest tube in place.": "Left chest tube",
    "Low lung volumes. Pneumonia cannot be excluded.": "Possible pneumonia",
    "ET tube terminates 4.5 cm above the carina. Moderate pulmonary edema.": "Moderate edema and endotracheal tube",
    "The cardiac silhouette is mildly enlarged.": "Mild cardiomegaly",
    "The heart is not enlarged. The lungs are clear.": "Normal",
    "Hyperinflated lungs consistent with COPD, otherwise no acute process.": "COPD",
    "No acute process. Small hiatal hernia.": "Small hiatal hernia",
    "Pneumothorax has resolved. Left effusion is unchanged.": "Left pleural effusion",
    "Pleural effusions, right greater than left.": "Bilateral pleural effusions",
    "Right upper lobe collapse.": "Right upper lobe atelectasis",
    "Left-sided rib fractures without pneumothorax.": "Left rib fracture",
    "No pneumothorax, small left pleural effusion.": "Small left pleural effusion",
    "Compared with the prior study, decreased edema and unchanged cardiomegaly.": "Edema and cardiomegaly",
    "Consolidation in the right upper lobe, compatible with pneumonia.": "Right consolidation and pneumonia",
    "No radiographic evidence for acute cardiopulmonary process.": "Normal",
    "The lungs are well expanded and clear.": "Normal",
    "Patchy opacity in the left lower lobe, which may reflect atelectasis, aspiration or pneumonia.": (
        "Possible left lower lobe atelectasis"
    ),
    "Increased opacity at the right base could be due to aspiration.": "Possible right basal aspiration",
    "The heart size is mildly enlarged but there is no pneumonia.": "Mild cardiomegaly",
    "Right pneumothorax is slightly larger than on the prior study.": "Right pneumothorax",
    "8 mm nodule in the right upper lobe. CT is recommended to exclude malignancy.": "Right upper lobe lung nodule",
    "No large effusion. Lungs clear apart from minor left basal atelectasis.": "Left basal atelectasis",
    "As above.": None,
    "No change.": None,
    "Stable appearance of the chest.": None,
}
CANDID = {
    "CHEST X-RAY [DATE]. Comparison [DATE]. There is a moderate right sided pneumothorax. No mediastinal shift.": (
        "Moderate right pneumothorax"
    ),
    "Right chest drain in situ. There is a small residual right apical pneumothorax.": (
        "Right pneumothorax and chest tube"
    ),
    "The previously demonstrated left pneumothorax has now completely resolved.": "Normal",
    "Clinical details: fall, ?pneumothorax. Findings: Fractures of the left 4th to 6th ribs. No pneumothorax.": (
        "Left rib fracture"
    ),
    "Heart size normal. Lungs and pleural spaces clear. [PERSONALNAME]": "Normal",
    "Intercostal catheter removed. No recurrent pneumothorax. Surgical emphysema in the left chest wall.": (
        "Left subcutaneous emphysema"
    ),
    "Large left tension pneumothorax with mediastinal shift to the right.": "Large left tension pneumothorax",
    "Comparison: none. Left basal pigtail drain; the left effusion is much smaller.": (
        "Pleural effusion and chest tube"
    ),
    "INDICATION: Rule out pneumothorax. FINDINGS: Lungs are clear. IMPRESSION: Normal.": "Normal",
    "Impression: As above. Findings: Right pneumothorax is seen, small.": "Right pneumothorax",
}
PHANTOM = {
    "Normal.": "Normal",
    "No acute cardiopulmonary abnormality.": "Normal",
    "Pleural effusion.": "Pleural effusion",
    "Left pneumonia and cardiomegaly.": "Left pneumonia and cardiomegaly",
    "1. Right consolidation. 2. Chest tube.": "Right consolidation and chest tube",
    "Large right pneumothorax.": "Large right pneumothorax",
    "Findings consistent with left rib fracture.": "Left rib fracture",
    "Linear left basal opacity with elevation of the left hemidiaphragm, in keeping with atelectasis.": (
        "Left basal atelectasis"
    ),
    "There is a small right pleural effusion with blunting of the costophrenic angle.": "Small right pleural effusion",
    "Bilateral perihilar opacities are consistent with severe pulmonary edema.": "Severe edema",
}
TABLE = MIMIC | CANDID | PHANTOM


def test_the_table_is_long_enough():
    assert len(TABLE) >= 40


@pytest.mark.parametrize(("report", "expected"), TABLE.items(), ids=range(len(TABLE)))
def test_reports_of_the_table(report, expected):
    assert caption(report) == expected


@pytest.mark.parametrize("report", [None, float("nan"), "", "  ", "N/A", "nan"])
def test_no_report_has_no_caption(report):
    assert caption(report) is None and mentions(report) == []


@pytest.mark.parametrize("caption_text", [text for text in TABLE.values() if text])
def test_captions_read_back_as_themselves(caption_text):
    assert caption(caption_text) == caption_text and check_caption(caption_text) == caption_text


def test_sides_sizes_and_labels_are_read():
    first, second = mentions("Small left pneumothorax and right rib fracture.")
    assert first == Mention("pneumothorax", "left", "small") and first.label == "pneumothorax"
    assert (second.side, second.label) == ("right", "rib_fracture")


def test_the_impression_counts_and_the_clinical_question_does_not():
    text = as_text(type("R", (), {"findings": "Left pneumothorax.", "impression": "Right edema."})())
    assert conclusion(text).strip() == "Right edema."
    assert "pneumothorax" not in conclusion("Clinical details: ?pneumothorax. The lungs are clear.")


def test_details_give_way_to_findings():
    # Three names take five words, so no side fits; two leave one word, which goes to the first side.
    found = [Mention("cardiomegaly"), Mention("edema"), Mention("pleural effusion", "left", "small")]
    assert compose(found) == "Cardiomegaly, edema, left pleural effusion"
    assert compose([Mention("pneumonia", "left", place="lower lobe"), Mention("pleural effusion", "right")]) == (
        "Left pneumonia and pleural effusion"
    )


def test_phantom_reports_name_what_was_drawn():
    films = plan_films("mimic", {"patients": 150, "validate_patients": 0, "test_patients": 0, "lateral": 0.0}, 3)
    stream = np.random.default_rng(0)
    assert settings_of("mimic", {})["double"] > 0
    for spec in films:
        report = write_report(spec, stream)
        drawn = {finding.name for finding in spec.findings}
        for text in (report.impression, as_text(report), as_note(report, stream)):
            found = {mention.name: mention for mention in mentions(conclusion(text))}
            assert set(found) == drawn, text
            sides = {finding.name: finding.side for finding in spec.findings}
            assert all(mention.side in (None, sides[name]) for name, mention in found.items()), text
            assert (caption(text) == "Normal") == (not drawn)
            assert check_caption(caption(text))
        described = {mention.name for mention in mentions(report.findings)}
        assert described == drawn, report.findings


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_short_caption_or_none(text):
    found = caption(text)
    assert found is None or len(found.split()) <= MAX_WORDS


PIECES = [
    "no",
    "left",
    "pneumothorax",
    "and",
    ",",
    "small",
    "effusion",
    "or",
    "unchanged",
    "possible",
    ".",
    "new",
    "tube",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_captions_carry_no_comparison(pieces):
    found = caption(" ".join(pieces))
    assert found is None or check_caption(found) == found
