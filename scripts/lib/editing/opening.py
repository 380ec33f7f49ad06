"""An editor and a witness, opened from the files of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.cohort.store import Cohort
from scripts.lib.downstream.judges import open_judge
from scripts.lib.downstream.predict import place_trial
from scripts.lib.editing.editor import Editor
from scripts.lib.editing.found import Witness
from scripts.lib.editing.judging import read_verdict
from scripts.lib.editing.subjects import SubjectGallery
from scripts.lib.fidelity.networks import open_extractor
from scripts.lib.generators.kinds import open_kind
from scripts.lib.training.settings import Section

BATCH = 64  # films whose features are computed at once


def open_editor(generator: Path, sampling: Mapping[str, Any], settings: Section, seed: int) -> Editor:
    """Return the editor of a generator's folder; `settings` holds steps, device and precision of section edits."""
    whole = Section({**sampling, "device": settings["device"], "precision": settings["precision"]}, "sampling")
    editing = Section({"steps": settings["steps"], "micro_batch": whole["micro_batch"]}, "edits")
    return Editor(open_kind(generator)([], whole), editing, seed, str(generator))


def open_witness(judge: Path, verdict: Path, cohort: Cohort, names: Sequence[str], settings: Section) -> Witness:
    """Return who looks at edits of films of a cohort; raises InputError where the judge is refused."""
    checked, placement = read_verdict(verdict), place_trial(settings)
    gallery = SubjectGallery(cohort, open_extractor("random", "", placement, BATCH))
    return Witness(open_judge(judge, placement), checked, placement, gallery, list(names))
