"""The words of radiology reports that captions are made of: findings, sides, sizes and places, as patterns.

All patterns are written for lower-case text whose white space is collapsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAIN, DESCRIPTIVE, DEVICE, INCIDENTAL = range(4)  # ranks: what a caption names first


@dataclass(frozen=True)
class ReportTerm:
    """A finding: its name in captions, its rank, how reports write it, and the label column it stands for, if any."""

    name: str
    rank: int
    pattern: str
    label: str | None = None


HEART = (
    r"(?:heart|cardiac silhouette|cardiac shadow|cardiac size|heart size|cardiomediastinal silhouette|cardiac contour)"
)
FINDINGS = (
    ReportTerm("hydropneumothorax", MAIN, r"hydro ?pneumothora(?:x|ces)", "pneumothorax"),
    ReportTerm("hemopneumothorax", MAIN, r"ha?emo ?pneumothora(?:x|ces)", "pneumothorax"),
    ReportTerm("tension pneumothorax", MAIN, r"tension pneumothora(?:x|ces)", "pneumothorax"),
    ReportTerm("pneumothorax", MAIN, r"pneumothora(?:x|ces)|\bptx\b", "pneumothorax"),
    ReportTerm("hemothorax", MAIN, r"ha?emothora(?:x|ces)", "pleural_effusion"),
    ReportTerm("pleural effusion", MAIN, r"(?:pleural )?effusions?|pleural fluid|hydrothorax", "pleural_effusion"),
    ReportTerm("pericardial effusion", DESCRIPTIVE, r"pericardial effusions?"),
    ReportTerm(
        "cardiomegaly",
        MAIN,
        r"cardiomegaly|cardiac enlargement|enlarged (?:heart|cardiac silhouette|cardiomediastinal silhouette)"
        rf"|enlargement of the {HEART}|{HEART} (?:size )?(?:is|remains|appears|are)(?: \w+){{0,3}}? enlarged",
        "cardiomegaly",
    ),
    ReportTerm("edema", MAIN, r"(?:(?:interstitial |alveolar )?pulmonary |interstitial |alveolar )?o?edema", "edema"),
    ReportTerm("pneumonia", MAIN, r"(?:broncho ?)?pneumonias?|infectious process|infection", "pneumonia"),
    ReportTerm(
        "consolidation",
        MAIN,
        r"consolidations?|consolidative (?:opacity|opacities|process|changes?)|consolidated",
        "consolidation",
    ),
    ReportTerm("atelectasis", MAIN, r"atelecta(?:sis|ses|tic(?: changes?)?)|(?<=lobe )collapse", "atelectasis"),
    ReportTerm(
        "rib fracture",
        MAIN,
        r"rib fractures?|fractures? of (?:the |an? )?(?:[\w-]+ ){0,5}?ribs?|(?<!no )fractured (?:[\w-]+ ){0,3}?ribs?",
        "rib_fracture",
    ),
    ReportTerm("lung nodule", MAIN, r"(?:lung |pulmonary )?nodules?|nodular (?:opacity|opacities|density|densities)"),
    ReportTerm("lung mass", MAIN, r"(?:lung |pulmonary |hilar )?mass(?:es)?\b|neoplasm|malignancy"),
    ReportTerm("lung metastases", MAIN, r"(?:lung |pulmonary )?metastas[ei]s|metastatic disease"),
    ReportTerm("pneumomediastinum", MAIN, r"pneumomediastinum|mediastinal emphysema"),
    ReportTerm(
        "pneumoperitoneum", MAIN, r"pneumoperitoneum|free (?:intraperitoneal |intra-abdominal |subdiaphragmatic )?air"
    ),
    ReportTerm("tuberculosis", MAIN, r"tuberculosis"),
    ReportTerm("subcutaneous emphysema", DESCRIPTIVE, r"(?:subcutaneous|surgical) (?:emphysema|air|gas)"),
    ReportTerm(
        "opacity", DESCRIPTIVE, r"opacity|opacities|opacifications?|infiltrates?|airspace disease|airspace changes?"
    ),
    ReportTerm("vascular congestion", DESCRIPTIVE, r"(?:pulmonary )?(?:venous|vascular) (?:congestion|engorgement)"),
    ReportTerm(
        "heart failure", DESCRIPTIVE, r"(?:congestive )?(?:heart|cardiac) failure|\bchf\b|(?:fluid|volume) overload"
    ),
    ReportTerm("aspiration", DESCRIPTIVE, r"aspiration"),
    ReportTerm("blunted costophrenic angle", DESCRIPTIVE, r"blunt(?:ing of|ed) the (?:\w+ )?costophrenic angles?"),
    ReportTerm(
        "elevated hemidiaphragm",
        DESCRIPTIVE,
        r"elevat(?:ion of|ed) (?:the )?(?:(?:left|right) )?hemi-?diaphragm|raised (?:left |right )?hemi-?diaphragm",
    ),
    ReportTerm(
        "mediastinal shift", DESCRIPTIVE, r"(?:mediastinal|tracheal) (?:shift|deviation)|shift of the mediastinum"
    ),
    ReportTerm("widened mediastinum", DESCRIPTIVE, r"widened mediastinum|mediastinal widening"),
    ReportTerm("lymphadenopathy", DESCRIPTIVE, r"(?:hilar |mediastinal )?(?:lymph)?adenopathy"),
    ReportTerm("pleural thickening", DESCRIPTIVE, r"pleural thickening"),
    ReportTerm("interstitial disease", DESCRIPTIVE, r"interstitial (?:lung )?(?:disease|markings|changes|pattern)"),
    ReportTerm("fibrosis", DESCRIPTIVE, r"fibros[ei]s|fibrotic changes?"),
    ReportTerm("bronchiectasis", DESCRIPTIVE, r"bronchiectasis"),
    ReportTerm(
        "chest tube",
        DEVICE,
        r"chest (?:tubes?|drains?)|intercostal (?:catheters?|drains?|tubes?)|pleural (?:drains?|catheters?)"
        r"|pigtail (?:catheters?|drains?)|thoracostomy tubes?",
        "chest_tube",
    ),
    ReportTerm("endotracheal tube", DEVICE, r"endotracheal tubes?|\bett\b|et tube"),
    ReportTerm(
        "nasogastric tube", DEVICE, r"(?:naso|oro)gastric tubes?|\bng ?tubes?\b|\bngt\b|enteric tubes?|feeding tubes?"
    ),
    ReportTerm("central line", DEVICE, r"central (?:venous )?(?:lines?|catheters?)|\bpicc(?: line)?|port-?a-?cath"),
    ReportTerm("pacemaker", DEVICE, r"pace ?makers?|defibrillators?|pacing (?:leads?|wires?)"),
    ReportTerm("support devices", DEVICE, r"support devices|lines and tubes|tubes and lines"),
    ReportTerm(
        "COPD", INCIDENTAL, r"\bcopd\b|hyperinflat(?:ion|ed)(?: lungs)?|hyperexpan(?:ded|sion)|emphysema(?:tous)?"
    ),
    ReportTerm("granuloma", INCIDENTAL, r"(?:calcified )?granulomas?"),
    ReportTerm("hiatal hernia", INCIDENTAL, r"hiat(?:al|us) hernia"),
    ReportTerm("scoliosis", INCIDENTAL, r"scoliosis"),
    ReportTerm("sternotomy wires", INCIDENTAL, r"sternotomy(?: wires)?|sternal wires"),
)
BY_NAME = {finding.name: finding for finding in FINDINGS}
PATTERNS = tuple((finding.name, re.compile(rf"(?<![\w-])(?:{finding.pattern})(?![\w])")) for finding in FINDINGS)
# What a sentence describes is left out where the same sentence also says what it is.
EXPLAINED = {
    "opacity": ("pneumonia", "consolidation", "atelectasis", "edema", "aspiration", "pleural effusion", "lung mass"),
    "elevated hemidiaphragm": ("atelectasis",),
    "vascular congestion": ("edema",),
    "heart failure": ("edema",),
    "aspiration": ("pneumonia",),
    "blunted costophrenic angle": ("pleural effusion",),
    "mediastinal shift": ("pneumothorax", "tension pneumothorax", "hydropneumothorax", "pleural effusion"),
}
SIDELESS = {"cardiomegaly", "edema", "vascular congestion", "heart failure", "COPD", "scoliosis", "mediastinal shift"}
PLURALS = {
    "pleural effusion": "pleural effusions",
    "pneumothorax": "pneumothoraces",
    "opacity": "opacities",
    "consolidation": "consolidations",
    "rib fracture": "rib fractures",
    "chest tube": "chest tubes",
    "lung nodule": "lung nodules",
}
SIDES = re.compile(r"(?<!\w)(?:(left|lt)|(right|rt)|(bilateral(?:ly)?|both (?:lungs|sides|bases|apices)))(?!\w)")
UNEVEN = re.compile(r"(?:left|right)(?:-sided)? (?:greater|larger|more|worse|>)")
CHANGE = r"(?! (?:increas|decreas|improv|worse|progress|larger|smaller|more|less|bigger|better|bore))"
SIZE_WORDS = {
    "tiny": "tiny",
    "trace": "trace",
    "minimal": "minimal",
    "minimally": "minimal",
    "small": "small",
    "slight": "slight",
    "slightly": "slight",
    "mild": "mild",
    "mildly": "mild",
    "moderate": "moderate",
    "moderately": "moderate",
    "moderate-sized": "moderate",
    "large": "large",
    "massive": "massive",
    "severe": "severe",
    "severely": "severe",
    "marked": "marked",
    "markedly": "marked",
    "extensive": "extensive",
}
SIZES = re.compile(rf"(?<![\w-])({'|'.join(sorted(SIZE_WORDS, key=len, reverse=True))})(?![\w-]){CHANGE}")
SIZE_RANGE = re.compile(rf"\b({'|'.join(SIZE_WORDS)})(?: to |-to-| - |-|/)(?:{'|'.join(SIZE_WORDS)})\b")
PLACE_WORDS = (
    (r"upper (?:lobe|lung|zone)", "upper lobe"),
    (r"mid(?:dle)? (?:lobe|lung|zone)", "middle lobe"),
    (r"lower (?:lobe|lung|zone)", "lower lobe"),
    (r"bibasilar|bibasal", "bibasilar"),
    (r"apical|apex|apices", "apical"),
    (r"basilar|basal|lung bases?|bases?", "basal"),
    (r"perihilar", "perihilar"),
    (r"retrocardiac", "retrocardiac"),
    (r"lingular?", "lingular"),
)
PLACES = re.compile("|".join(rf"(?<!\w)({pattern})(?!\w)" for pattern, _ in PLACE_WORDS))
PLACE_NAMES = tuple(name for _, name in PLACE_WORDS)
