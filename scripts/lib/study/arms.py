"""The registry of arms: what a trial may add to its real films, which models make it, and which filters choose among it.

A new generator or filter is one entry here, one section of the configuration and the rules that make it. Schema, checks of what
an arm has learned, rules, figures and planner ask this file.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scripts.lib.core.errors import InputError

# What teaches a generator or decides for a filter, beside its own settings. study/exposure.py says what follows from each.
FOUNDATION = "foundation"  # films and reports of study.foundation, through the model of section `base`
RATERS = "raters"  # images made from masks and reports of feedback.splits, as raters scored them
VALIDATION = "validation"  # labels of proxy.validation
KEPT = "kept"  # what a filter kept of the pool of finetune.source
JUDGE = "judge"  # films that taught the judge of faithfulness
OTHERS = "others"  # real training films outside of the subset
ELSEWHERE = "elsewhere"  # films that the study does not know
ANOTHER = "another"  # training films of another dataset of the study, arms.*.cohort
CLASS = "class"  # what an image shows where a generator follows neither text nor mask: one of its classes


@dataclass(frozen=True)
class Generator:
    """A model that makes images: `name` is its folder below results/generators, `section` its part of the configuration.

    rule         makes the folder
    taught_by    what it learned from, of the four above
    own_films    whether films of study.generator_dataset teach it, those of split generator
    follows      CLASS where its conditions are classes; "" where they are what section `conditions` says
    words        whether words beside a mask say what the mask shows, in its training and of its images
    says         what a text calls it; "" leaves its name
    """

    name: str
    section: str
    rule: str
    taught_by: tuple[str, ...]
    own_films: bool = True
    follows: str = ""
    words: bool = False
    says: str = ""

    @property
    def needs_masks(self) -> bool:
        """Whether it learns from films with masks, and follows any; one that does not cannot."""
        return self.own_films and not self.follows

    @property
    def folder(self) -> str:
        """Where the workflow puts it."""
        return f"results/generators/{self.name}"


@dataclass(frozen=True)
class Filter:
    """What keeps part of a pool, as a list `file` beside its shards; `taught_by` says what decides what it keeps.

    spare  images made for each one that is needed, where arms.*.candidates does not say it
    """

    name: str
    section: str
    rule: str
    taught_by: tuple[str, ...]
    file: str = "kept.parquet"
    spare: int = 1


@dataclass(frozen=True)
class Source:
    """Where an arm's images come from.

    adds       its trials train on images beside the real films, at multipliers above 0
    rule       writes the store that its trials read; "" where they read films of their own cohort alone
    folder     that store below results/{dataset}/pools/{arm}/; {fraction} where every fraction has its own
    repeats    its images stand for the trial's own training films, again and again, as many as the cell wants
    others     it needs that many training films outside of the subset, so that a large multiplier may find too few
    cohort     it adds the training films of another dataset of the study, arms.*.cohort, and may find too few of these as well
    says       what a line calls its images
    taught_by  what it learned from, beside the films of the subset
    """

    name: str
    adds: bool = True
    rule: str = ""
    folder: str = ""
    repeats: bool = False
    others: bool = False
    cohort: bool = False
    says: str = "images"
    taught_by: tuple[str, ...] = ()

    @property
    def has_store(self) -> bool:
        """Whether its trials read a store beside that of their dataset."""
        return bool(self.rule) or self.cohort

    @property
    def is_control(self) -> bool:
        """Whether its trials show the method something other than images of a generator of the study."""
        return self.adds and self.name != "generator"

    def multipliers(self, wanted: list[int], fraction: float) -> list[int]:
        """Return those of a fraction's multipliers that an arm with this source runs.

        Other films: m times the fraction may be at most what the fraction leaves. How many films that are is known to the
        trial alone, which leaves out what its own cohort lacks (downstream/added.py).
        """
        most = self._most(fraction)
        return [value for value in wanted if (value > 0) == self.adds and value <= most]

    def left_out(self, wanted: list[int], fraction: float) -> str:
        """Return a note on the multipliers of a fraction that this source cannot run, "" where there are none."""
        most = self._most(fraction)
        lacking = [value for value in wanted if value > most] if self.adds else []
        if not lacking:
            return ""
        return (
            f"left out: {', '.join(f'{value}x' for value in lacking)} need more {self.says} than {fraction * 100:g} % leaves; "
            f"the largest multiplier that works is {int(most)}"
        )

    def _most(self, fraction: float) -> float:
        return (1 - fraction) / fraction + 1e-9 if self.others else float("inf")


BASE = "base"  # the foundation model itself: it follows texts and no masks; it lies where base.path says, if it says
GENERATORS = {
    one.name: one
    for one in (
        Generator(BASE, "base", "train_base", (FOUNDATION,), own_films=False, says="the foundation model"),
        Generator(
            "controlnet",
            "controlnet",
            "train_controlnet",
            (FOUNDATION,),
            says="a ControlNet on a latent diffusion model",
        ),
        # A folder of its own: a study of masks of several findings shares its results, and its base, with another study.
        Generator(
            "controlnet-findings",
            "controlnet",
            "train_controlnet_findings",
            (FOUNDATION,),
            words=True,
            says="a ControlNet on masks of several findings, and on words that say what they show",
        ),
        Generator(
            "proxy-tuned",
            "finetune",
            "finetune_generator",
            (FOUNDATION, KEPT),
            says="the ControlNet trained further on images that a vision-language model kept",
        ),
        Generator(
            "dpo",
            "dpo",
            "train_dpo",
            (FOUNDATION, RATERS),
            says="the ControlNet tuned to raters' preferences (Diffusion-DPO)",
        ),
        Generator(
            "class-ldm", "class_ldm", "train_class_ldm", (), follows=CLASS, says="a latent diffusion model of classes"
        ),
    )
}
MEMORY = "memory"  # drops near-copies of training films
FAITHFUL = "faithful"  # keeps images that show what they were asked to show
EXPERTS = "experts"  # keeps images with enough votes of experts
# Who may vote, and what decides for each: its films, its labels, or pixels alone ("").
CLASSIFIER, SEGMENTER, REALISM, COPY, PROXY = "classifier", "segmenter", "realism", "copy", "proxy"
VOTERS = {CLASSIFIER: JUDGE, SEGMENTER: JUDGE, REALISM: JUDGE, COPY: "", PROXY: VALIDATION}
FILTERS = {
    one.name: one
    for one in (
        Filter("proxy", "proxy", "filter_pool", (VALIDATION,)),
        # Pixels decide, of films that taught the generator and of others; no label, and no model that learned.
        Filter(MEMORY, "memorisation", "drop_copies", (), "distinct.parquet", spare=2),
        Filter(FAITHFUL, "faithfulness", "keep_faithful", (JUDGE,), "faithful.parquet", spare=3),
        # What really teaches it says experts.names: see arm_of.
        Filter(EXPERTS, "experts", "vote_pool", (JUDGE, VALIDATION), "voted.parquet", spare=3),
    )
}
# Sections whose `action` may drop images of all arms, or refuse a pool: the filter, and the file that lets trials begin.
GATES = {"memorisation": (MEMORY, "cleared.txt"), "faithfulness": (FAITHFUL, "faithful.txt")}
NOTHING = Source("nothing", adds=False)
SOURCES = {
    one.name: one
    for one in (
        Source("generator", rule="sample_pool", folder="fraction-{fraction}"),
        Source("duplicate", repeats=True),
        Source("augmented", repeats=True),
        Source(
            "reconstructed", rule="reconstruct_films", folder="reconstructed", repeats=True, taught_by=(FOUNDATION,)
        ),
        Source("extra-real", others=True, says="other real training films", taught_by=(OTHERS,)),
        Source("cohort", cohort=True, says="training films of the other dataset", taught_by=(ANOTHER,)),
        Source("pool", rule="import_pool", folder="imported", taught_by=(ELSEWHERE,)),
    )
}
REAL = "real"  # the arm that is always there
ALONE = "alone"  # mixing.kind of an arm whose trials learn from what it adds, and from no film of the subset
# Masks that an arm's images are made from, in place of transformed real ones: of the mask generator, or real shapes at random.
MASKS = ("generated", "shuffled")


@dataclass(frozen=True)
class Arm:
    """One arm of a study: what it adds, and in which cells it runs ({datasets, fractions}; left out = all).

    `mixing` holds the keys of trials.mixing that are its own; `path` is where somebody has put the images of the source pool;
    `masks` one of MASKS, "" for transformed real masks or words; `cohort` the dataset whose films the source cohort adds.
    """

    name: str
    source: Source
    generator: Generator | None = None
    filter: Filter | None = None
    candidates: int = 1
    cells: Mapping[str, Any] = field(default_factory=dict)
    mixing: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    masks: str = ""
    cohort: str = ""

    @property
    def taught_by(self) -> set[str]:
        """What has taught its source or generator, or decides for its filter."""
        return {one for part in (self.source, self.generator, self.filter) if part for one in part.taught_by}

    def covers(self, dataset: str, fraction: str | float) -> bool:
        """Whether its own key `cells` has this dataset and fraction."""
        fractions = [f"{value:g}" for value in self.cells.get("fractions", [float(fraction)])]
        return dataset in self.cells.get("datasets", [dataset]) and f"{float(fraction):g}" in fractions

    def multipliers(self, wanted: list[int], fraction: float) -> list[int]:
        """Return those of a fraction's multipliers that it runs: what its source can, or the largest of these alone."""
        possible = self.source.multipliers(wanted, fraction)
        return possible[-1:] if self.cells.get("multipliers") == "largest" else possible


def arm_of(config: Mapping[str, Any], name: str) -> Arm:
    """Return an arm by its name: `real`, or one of the section `arms`; raises InputError for any other."""
    if name == REAL:
        return Arm(REAL, NOTHING)
    if name not in config["arms"]:
        raise InputError(f"config: arms.{name} is missing; known arms: {', '.join(config['arms'])}")
    given = config["arms"][name]
    source = SOURCES[given.get("source", "generator")]
    generator = GENERATORS[given["generator"]] if source.name == "generator" else None
    dropping = (name for section, (name, _) in GATES.items() if generator and action_of(config, section) == "drop")
    wanted = given.get("filter") or next(dropping, None)
    chosen = FILTERS[wanted] if wanted else None
    if chosen and chosen.name == EXPERTS:
        named = {
            VOTERS.get(one, JUDGE) for one in config["experts"]["names"]
        }  # what taught those of experts.own is not known
        chosen = replace(chosen, taught_by=tuple(one for one in chosen.taught_by if one in named))
    candidates = given.get("candidates", chosen.spare) if chosen else 1
    keys = (
        given.get("cells", {}),
        given.get("mixing", {}),
        *(given.get(key, "") for key in ("path", "masks", "cohort")),
    )
    return Arm(name, source, generator, chosen, candidates, *keys)


def gates(config: Mapping[str, Any], arm: str) -> list[str]:
    """Return the files in a pool's folder that the trials of an arm wait for: one for each verdict that may refuse it."""
    if arm == REAL or arm_of(config, arm).generator is None:
        return []
    return [file for section, (_, file) in GATES.items() if action_of(config, section) == "refuse"]


def action_of(config: Mapping[str, Any], section: str) -> str:
    """Return what a section of GATES does with images that it finds: report, drop or refuse."""
    return str(config.get(section, {}).get("action", "report"))
