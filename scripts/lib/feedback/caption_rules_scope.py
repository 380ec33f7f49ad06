"""How far a "no" or a "possible" reaches: which of the findings in a sentence are there, and which may be.

After NegEx (Chapman et al. 2001): words before or after a finding deny it up to a word that ends their reach, and
phrases that only look like a denial ("no change in") are taken out first.
"""

from __future__ import annotations

import re

PRESENT, POSSIBLE, ABSENT, ALTERNATE = "present", "possible", "absent", "alternate"
DOUBT = " possibly "
DEGREE = r"(?:significant |interval |substantial |appreciable |definite |major |relevant |real |further )*"
NOT_DENIED = (
    (
        re.compile(
            r"\b(?:cannot|can not|could not|not) (?:be )?(?:entirely |completely |fully )?(?:excluded?|ruled? out)\b"
        ),
        DOUBT,
    ),
    (re.compile(rf"\b(?:no|without|not) {DEGREE}(?:changes?|difference)(?: (?:in|of|to|from|since|as))?\b"), " "),
    (re.compile(rf"\bno {DEGREE}(?:increase|decrease|progression|worsening|improvement) (?:in|of)\b"), " "),
    (re.compile(r"\bnot (?:\w+ly )?(?:changed|increased|decreased|worsened|improved)\b"), " "),
    (re.compile(r"\bnot only\b"), " "),
)
ENDS = re.compile(
    r"\b(?:but|however|although|though|except|apart from|aside from|other than|which|with|otherwise|now|despite"
    r"|due to|secondary to|because of|status post|following|after)\b|[;:()]"
)
# A comma or "and" ends a denial where something new begins, unless the list goes on to its "or".
RESTART = re.compile(
    r"(?:,|\band) (?=(?:there |an? |the |tiny |trace |minimal |small |mild |moderate |large |severe |extensive |low "
    r"|persistent |stable |unchanged |increased |increasing |decreased |new |worsening |improved |improving |interval ))"
)
LIST_GOES_ON = re.compile(r"\b(?:or|nor)\b")
DENIED_BEFORE = re.compile(
    r"\b(?:no|not|none|without|negative for|free of|clear of|absence of|resolved|exclud(?:es?|ing)|excluded"
    r"|(?:to )?rule out|r/o|(?:evaluate|evaluation|assess|assessment) for|rather than|removal of|removed|never|neither|nor"
    r"|less likely|unlikely to (?:be|represent|reflect))\b|(?<!partial )(?<!near )(?<!incomplete )\bresolution of\b|\?"
)
VERB = (
    r"\b(?:is|are|was|were|has|have|remains?|persists?|appears?|seen|noted|present|shows?|measures?|with|but|which)\b"
)
SURE = r"(?:been |now |since |completely |fully |entirely |also |clearly |definitely |again )*"
DENIED_AFTER = re.compile(
    rf"^(?:(?!{VERB}).)*?\b(?:(?:is|are|was|were|has|have) {SURE}"
    r"(?:not|no longer|resolved|cleared|excluded|absent|ruled out|removed|unlikely|less likely)"
    r"|not (?:seen|identified|present|visualised|visualized|detected|demonstrated|evident|apparent)|no longer|resolved"
    r"|unlikely|absent|removed|removal|ruled out)\b"
)
DOUBTED = re.compile(r"\b(?:possible|possibly|may|might|could|questionable|question of|equivocal|versus|suspected)\b")
DOUBTED_AFTER = re.compile(r"^[^,;]*?\b(?:possible|possibly|suspected|questionable)\b")
LISTED = re.compile(r"^[ ,]*(?:and |or )?$")
ALTERNATIVE = re.compile(r"^[ ,]*(?:versus|or|and/or)(?: [\w-]+){0,3} $")
Spans = list[tuple[int, int, str]]  # begin, end, name of a finding


def without_false_denials(sentence: str) -> str:
    """Return a lower-case sentence without phrases that look like a denial of a finding and are none."""
    for pattern, instead in NOT_DENIED:
        sentence = pattern.sub(instead, sentence)
    return " ".join(sentence.split())


def verdicts(sentence: str, spans: Spans, devices: set[str]) -> list[str]:
    """Return PRESENT, POSSIBLE, ABSENT or ALTERNATE for each finding; `spans` are in order, none overlaps the next.

    ALTERNATE is what a report names only as another reading of the finding before ("atelectasis versus pneumonia").
    """
    states: list[str] = []
    for place, (begin, end, name) in enumerate(spans):
        before, after = _reach_before(sentence, begin, name in devices), sentence[end:]
        inside = re.search(r"\b(?:not|no)\b", sentence[begin:end])
        if inside or DENIED_BEFORE.search(before) or DENIED_AFTER.search(after):
            states.append(ABSENT)
            continue
        last = spans[place - 1][1] if place else 0
        listed = place and states[-1] in (POSSIBLE, ALTERNATE) and LISTED.match(sentence[last:begin])
        if place and states[-1] != ABSENT and ALTERNATIVE.match(sentence[last:begin]):
            states.append(ALTERNATE)
            continue
        if listed and LIST_GOES_ON.search(after):
            states.append(ALTERNATE)
            continue
        following = spans[place + 1][0] if place + 1 < len(spans) else len(sentence)
        lead = re.split(r"\b(?:but|however|although)\b|[;:]", sentence[last:begin])[-1]
        doubt = DOUBTED.search(lead) or DOUBTED_AFTER.search(sentence[end:following])
        states.append(POSSIBLE if doubt or listed else PRESENT)
    return states


def _reach_before(sentence: str, begin: int, device: bool) -> str:
    """Return the text before `begin` from which a denial reaches a finding there."""
    before = sentence[:begin]
    ends = [match.end() for match in ENDS.finditer(before)]
    if not LIST_GOES_ON.search(sentence[begin:]):
        last = max(ends, default=0)
        for match in RESTART.finditer(before):
            if match.end() > last and not LIST_GOES_ON.search(sentence[match.end() : begin]):
                ends.append(match.end())
    if device and "," in before:  # devices are reported after the list of what is not there
        ends.append(before.rindex(",") + 1)
    return before[max(ends, default=0) :]
