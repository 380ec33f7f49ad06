"""Captions by rule: the findings of a report are looked up, judged present or not, and named in at most five words.

A caption is put together from names, sides and sizes, never cut out of the report. So no word of comparison ("new",
"unchanged", "since [DATE]"), no name and no date can get into it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scripts.lib.conditions.prompts import TextCell, null_text
from scripts.lib.feedback import caption_rules_scope as scope
from scripts.lib.feedback import caption_rules_words as words

MAX_WORDS, MOST_FINDINGS = 5, 3
NORMAL = "Normal"
PLACEHOLDER = re.compile(r"\[[A-Z ]+\]|![A-Z]+!|_{2,}")
HEADING = re.compile(
    r"\b(impressions?|conclusions?|opinions?|summary|comments?|findings?|reports?|indications?|history|comparisons?"
    r"|techniques?|reason for exam\w*|clinical (?:details|history|information|notes?|indication)|exam(?:ination)?"
    r"|recommendations?|notifications?|views?)(?:\(s\))?\s*:",
    re.IGNORECASE,
)
CONCLUDING, DESCRIBING = ("impression", "conclusion", "opinion", "summary"), ("finding", "report", "comment")
LIST_NUMBER = re.compile(r"(?:^|(?<=[\s.;:]))\d{1,2}[.)](?=\s)")
# From such a word on a sentence is about what was told or should be done, not about the film.
ADVICE = re.compile(
    r"\b(?:discussed|communicated|notified|telephoned?|paged|recommend\w*|advise[ds]?|suggest(?:ed)? (?:ct|follow)"
    r"|follow[- ]?up|correlat\w+|clinical concern|history of|clinically)\b"
)
NORMAL_TEXT = re.compile(
    r"\bnormal\b|\bunremarkable\b|\bclear (?:lungs|chest)\b"
    r"|\b(?:lungs?|chest|lung fields|hemithora\w+)(?: (?!not\b)[\w-]+){0,5} clear\b"
    r"|\bno (?:\w+ ){0,6}?(?:process|abnormality|abnormalities|disease|pathology|findings?|lesions?)\b"
)


@dataclass(frozen=True)
class Mention:
    """A finding that a report asserts: its name in captions, and where known its side, size and place."""

    name: str
    side: str | None = None
    size: str | None = None
    place: str | None = None
    certain: bool = True

    @property
    def label(self) -> str | None:
        """The label column that the finding stands for, None when there is none."""
        return words.BY_NAME[self.name].label

    def phrase(self, *details: str) -> str:
        """Return the words for the finding with these of its details: "size", "side", "place"."""
        parts = ["" if self.certain else "possible"]
        parts += [getattr(self, key) or "" for key in ("size", "side", "place") if key in details]
        plural = "side" in details and self.side == "bilateral"
        return " ".join(
            part for part in (*parts, words.PLURALS.get(self.name, self.name) if plural else self.name) if part
        )


def caption(report: TextCell) -> str | None:
    """Return a report's caption, at most five words: "Normal" without findings; None when nothing can be said.

    The conclusion counts; where it says nothing ("As above."), the whole report does.
    """
    text = null_text(report)
    if text is None:
        return None
    plain = PLACEHOLDER.sub(" ", text)
    for part in dict.fromkeys((conclusion(plain), plain)):
        mentioned, nothing_else = _read(part)
        if mentioned:
            return compose(mentioned)
        if nothing_else:
            return NORMAL
    return None


def mentions(text: TextCell) -> list[Mention]:
    """Return the findings that a report or caption asserts, the most important first."""
    known = null_text(text)
    return [] if known is None else _read(PLACEHOLDER.sub(" ", known))[0]


def conclusion(text: str) -> str:
    """Return the last concluding section of a report, else what it describes, else all without the clinical details."""
    headings = list(HEADING.finditer(text))
    ends = [match.start() for match in headings[1:]] + [len(text)]
    sections = [(match[1].lower(), text[match.end() : end]) for match, end in zip(headings, ends)]
    for names in (CONCLUDING, DESCRIBING):
        chosen = [section for name, section in sections if name.startswith(names) and section.strip(" .\n")]
        if chosen:
            return chosen[-1]
    # Other headings ("Comparison: none.") hold one sentence; what follows it is the description.
    lead = text[: headings[0].start()] if headings else text
    return lead + " ".join(section.partition(".")[2] for _, section in sections)


def compose(found: Sequence[Mention]) -> str:
    """Return the caption of these findings, the first ones first: names before sides, sides before sizes and places."""
    chosen: list[Mention] = []
    for mention in found:
        rank = words.BY_NAME[mention.name].rank
        if chosen and rank > words.MAIN and len(chosen) > 1 or len(chosen) == MOST_FINDINGS:
            continue
        if _count(_joined([*(one.phrase() for one in chosen), mention.phrase()])) <= MAX_WORDS:
            chosen.append(mention)
    details: list[list[str]] = [[] for _ in chosen]
    for key in ("side", "size", "place"):
        for detail, mention in zip(details, chosen):
            detail.append(key)
            if not getattr(mention, key) or _count(_joined(_phrases(chosen, details))) > MAX_WORDS:
                detail.remove(key)
    text = _joined(_phrases(chosen, details))
    return text[0].upper() + text[1:]


def _phrases(chosen: Sequence[Mention], details: Sequence[Sequence[str]]) -> list[str]:
    return [mention.phrase(*detail) for mention, detail in zip(chosen, details)]


def _joined(phrases: Sequence[str]) -> str:
    return " and ".join(phrases) if len(phrases) < 3 else ", ".join(phrases)


def _count(text: str) -> int:
    return len(text.split())


def _read(text: str) -> tuple[list[Mention], bool]:
    """Return the findings asserted by a text, in order, and whether it says that there are none."""
    mentioned: list[Mention] = []
    nothing = False
    for sentence in _sentences(text):
        asserted, denied = _read_sentence(sentence)
        mentioned += asserted
        nothing |= denied or bool(NORMAL_TEXT.search(sentence))
    merged: dict[str, Mention] = {}
    for mention in mentioned:
        merged[mention.name] = _merge(merged[mention.name], mention) if mention.name in merged else mention
    for general, special in (("pneumothorax", "hydropneumothorax"), ("pneumothorax", "tension pneumothorax")):
        if special in merged:
            merged.pop(general, None)
    ranked = sorted(merged.values(), key=lambda one: (not one.certain, words.BY_NAME[one.name].rank))
    return ranked, nothing and not ranked


def _sentences(text: str) -> list[str]:
    plain = LIST_NUMBER.sub(". ", text)
    plain = re.sub(r"\bvs\b\.?", "versus", plain, flags=re.IGNORECASE)
    parts = re.split(r"[.!]+(?=\s|$)|;|\n(?=\s*[A-Z-]|\s*$)", plain)
    parts = [" ".join(part.lower().split()) for part in parts]
    return [words.SIZE_RANGE.sub(r"\1", part) for part in parts if part]


def _read_sentence(sentence: str) -> tuple[list[Mention], bool]:
    """Return the findings asserted by one lower-case sentence, and whether it denies any."""
    sentence = scope.without_false_denials(re.split(ADVICE, sentence)[0])
    spans = _spans(sentence)
    devices = {name for name, finding in words.BY_NAME.items() if finding.rank == words.DEVICE}
    verdicts = scope.verdicts(sentence, spans, devices)
    mentioned = []
    for place, ((begin, end, name), verdict) in enumerate(zip(spans, verdicts)):
        if verdict in (scope.ABSENT, scope.ALTERNATE):
            continue
        before = spans[place - 1][1] if place else 0
        after = spans[place + 1][0] if place + 1 < len(spans) else len(sentence)
        mentioned.append(_details(sentence, name, (before, begin, end, after), verdict == scope.PRESENT))
    return _without_explained(mentioned), scope.ABSENT in verdicts


def _spans(sentence: str) -> scope.Spans:
    """Return where findings are named, in order; of overlapping ones the longest."""
    hits = [
        (match.start(), match.end(), name) for name, pattern in words.PATTERNS for match in pattern.finditer(sentence)
    ]
    hits.sort(key=lambda hit: (hit[0] - hit[1], hit[0]))
    taken: scope.Spans = []
    for begin, end, name in hits:
        if all(end <= other or begin >= stop for other, stop, _ in taken):
            taken.append((begin, end, name))
    return sorted(taken)


def _details(sentence: str, name: str, edges: tuple[int, int, int, int], certain: bool) -> Mention:
    """Return a finding with the details around it; `edges`: end of the last finding, begin, end, next finding."""
    last, begin, end, following = edges
    lead = sentence[last:begin]
    cuts = [match.end() for match in re.finditer(r"\b(?:but|however|although|which|with)\b|[;:]", lead)]
    before = lead[max(cuts, default=0) :] + sentence[begin:end]
    after = re.split(r"[,;(]|\b(?:and|with|but|which|without|no)\b", sentence[end:following])[0]
    uneven = words.UNEVEN.search(sentence[end:following])
    side = "bilateral" if uneven else _side(before) or _side(after)
    place = _place(before) or _place(after)
    if words.BY_NAME[name].rank == words.DEVICE or name in words.SIDELESS:
        place = None
    size = None if words.BY_NAME[name].rank == words.DEVICE else _size(before) or _size(after)
    if place == "bibasilar":
        side = None
    return Mention(name, None if name in words.SIDELESS else side, size, place, certain)


def _side(text: str) -> str | None:
    """Return the side that a text names, "bilateral" for both."""
    kinds = {kind for match in words.SIDES.finditer(text) for kind, hit in enumerate(match.groups()) if hit}
    if not kinds:
        return None
    return "bilateral" if len(kinds) > 1 or kinds == {2} else ("left", "right")[kinds.pop()]


def _size(text: str) -> str | None:
    hits = words.SIZES.findall(text)
    return words.SIZE_WORDS[hits[-1]] if hits else None


def _place(text: str) -> str | None:
    # Every alternative of PLACES is a group, so that a match has one.
    hits = [match.lastindex or 0 for match in words.PLACES.finditer(text)]
    return words.PLACE_NAMES[hits[0] - 1] if len(set(hits)) == 1 else None


def _without_explained(found: list[Mention]) -> list[Mention]:
    """Return the findings of one sentence without those that another one explains, which takes over their details."""
    kept = list(found)
    for mention in found:
        causes = [k for k, other in enumerate(kept) if other.name in words.EXPLAINED.get(mention.name, ())]
        if causes:
            kept[causes[0]] = _merge(kept[causes[0]], replace(mention, size=None), same=False)
            kept.remove(mention)
    return kept


def _merge(one: Mention, other: Mention, same: bool = True) -> Mention:
    """Return one finding of two mentions; with `same` a second, different side makes it bilateral."""
    side = one.side or other.side
    if same and one.side and other.side and one.side != other.side:
        side = "bilateral"
    if one.name in words.SIDELESS:
        side = None
    place = None if side == "bilateral" and one.side != other.side else one.place or other.place
    if one.name in words.SIDELESS:
        place = None
    return Mention(one.name, side, one.size or other.size, place, one.certain or (same and other.certain))
