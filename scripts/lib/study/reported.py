"""What the report (results/report.html) reads: the tables and pictures that every study has, and whatever else lies there.

One rule: the report waits for what `snakemake all` builds, and takes in every other table and picture that the folder holds when
it is written. So it never makes a run longer, and a table that was not asked for is "not measured". Its job reruns when such a
file appears, goes or changes.
Imported with the Snakefile, so it must stay light: no numpy, pandas or torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from scripts.lib.study.study import Study

TABLES = ("trials", "baselines", "intervals", "differences", "power", "significance", "trend", "leakage", "figure2")
PICTURES = ("figure2.png", "evidence.png")
PAGE, RECORD = "report.html", "report.json"
TEMPLATES = Path(__file__).resolve().parents[1] / "reporting" / "page" / "templates"
# The settings of the paper that a study follows, by the generator of its images; "" for all others.
PAPERS = {
    "controlnet-findings": "studies/aurad.yaml",
    "class-ldm": "studies/paediatric.yaml",
    "": "studies/paper.yaml",
}
# Where other tables and pictures lie, below results/.
ELSEWHERE = (
    "*.png",
    "table2.csv",
    "tables/*.csv",
    "*/pools/*/*/nearest.png",
    "*/pools/*/*/kept.png",
    "*/pools/*/*/judged.png",
    "*/masks/*/*/masks.csv",
    "*/masks/*/*/masks.png",
    "*/edits/*.csv",
    "*/questionnaire/*.csv",
    "*/reading/*.csv",
    "search/*.csv",
    "search/*.png",
    "feedback/*.csv",
    "feedback/*.png",
    "proxy/*.csv",
    "generators/*.csv",
    "generators/*/*.csv",
)


def needed(study: Study) -> list[str]:
    """Return the files that the report waits for: what the target `all` builds anyway."""
    tables = [f"results/tables/{name}.csv" for name in TABLES]
    pictures = [f"results/{name}" for name in PICTURES]
    transfer = ["results/tables/transfer.csv", "results/transfer.png"] if study.transferred() else []
    return [*tables, "results/table1.csv", *pictures, *study.sheets(), *study.external_tables(), *transfer]


def found_beside(results: Path, waited_for: Iterable[str]) -> dict[str, str]:
    """Return {path below results: short digest} of the other tables and pictures that lie there, by path."""
    known = {str(Path(file).relative_to("results")) for file in waited_for}
    there = sorted({path for pattern in ELSEWHERE for path in results.glob(pattern) if path.is_file()})
    names = {str(path.relative_to(results)): path for path in there}
    return {name: _digest(path) for name, path in names.items() if name not in known}


def look() -> str:
    """Return a digest of the templates and the settings of papers, which the fingerprint of the code does not see."""
    files = sorted(path for path in TEMPLATES.iterdir() if path.is_file())
    files += [TEMPLATES.parents[4] / file for file in PAPERS.values()]
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:12]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
