"""What a results folder is made of, for machines: a Workflow Run RO-Crate (https://w3id.org/ro/wfrun/workflow/0.5).

The results folder is the crate. `ro-crate-metadata.json` lists its files with size and SHA-256, the workflow at its commit, the
configuration, the versions, and one action a rule with the seconds of its jobs. `provenance/` holds the Snakefile, the resolved
configuration and the lock file that the crate names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from scripts.lib.core.atomic import atomic_dir, atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.reporting.page.comparing import read_record
from scripts.lib.reporting.page.durations import rule_seconds
from scripts.lib.reporting.page.methods import PACKAGES
from scripts.lib.reporting.page.words import count

ROOT = Path(__file__).resolve().parents[3]
METADATA = "ro-crate-metadata.json"
FOLDER = "provenance"
WORKFLOW = f"{FOLDER}/Snakefile"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    WORKFLOW_CRATE: "Workflow RO-Crate",
}
# Of a run and not results of it, or results of another study: that of another seed has a crate of its own.
SKIPPED = ("logs", "benchmarks", "checkpoints", "phantom", "seeds", FOLDER)
KINDS = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".html": "text/html",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".npy": "application/x-npy",
    ".npz": "application/zip",
    ".safetensors": "application/octet-stream",
    ".yaml": "application/yaml",
}


def write_provenance(results: Path) -> int:
    """Write the crate of a results folder in which the report was written; return how many files it lists.

    Raises InputError where there is no report.
    """
    if not (results / "report.json").is_file():
        raise InputError(f"{results}: no report.json; run `make report` first, which says what the study was made with")
    record = read_record(results / "report.json")
    with atomic_dir(results / FOLDER) as folder:
        shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
        shutil.copy(ROOT / "requirements.lock", folder / "requirements.lock")
        (folder / "config.yaml").write_text(yaml.safe_dump(record["config"], sort_keys=False, allow_unicode=True))
    made = [_file(results, path) for path in result_files(results)]
    crate = {"@context": CONTEXT, "@graph": list(_graph(results, record, made))}
    with atomic_file(results / METADATA) as path:
        path.write_text(json.dumps(crate, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(made)


def result_files(results: Path) -> list[Path]:
    """Return the files that a run has made, by name: no logs, benchmarks, unfinished trainings, drawn raw trees or hidden files."""
    files = (path for path in results.rglob("*") if path.is_file() and path.name != METADATA)
    inside = ((path, path.relative_to(results).parts) for path in files)
    return sorted(
        path for path, parts in inside if parts[0] not in SKIPPED and not any(p.startswith(".") for p in parts)
    )


def _file(results: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(results).as_posix()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    entity = {
        "@id": _quoted(name),
        "@type": "File",
        "name": name,
        "contentSize": str(path.stat().st_size),
        "sha256": digest,
    }
    return entity | ({"encodingFormat": KINDS[path.suffix]} if path.suffix in KINDS else {})


def _quoted(name: str) -> str:
    """Return a path as an identifier: what is no part of a URI is encoded."""
    from urllib.parse import quote

    return quote(name)


def _graph(results: Path, record: Mapping[str, Any], made: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the entities of the crate."""
    files = [_file(results, results / FOLDER / name) for name in ("config.yaml", "requirements.lock")]
    rules = list(_rules(results))
    ended = _time((results / "report.json").stat().st_mtime)
    yield from _described(record, ended, [*files, *made], rules)
    yield from _software(results, record)
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of study {record['study']}",
        "description": record["headline"],
        "instrument": _link(WORKFLOW),
        "object": [_link(one["@id"]) for one in files],
        "result": [_link(one["@id"]) for one in made],
        "endTime": ended,
    }
    yield from rules
    version = record.get("commit") or "not known"
    yield from (
        {
            "@id": one["instrument"]["@id"],
            "@type": "SoftwareApplication",
            "name": one["name"],
            "softwareVersion": version,
        }
        for one in rules
    )
    yield from (*files, *made)


def _described(
    record: Mapping[str, Any], ended: str, files: list[dict[str, Any]], rules: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield what the crate is: its metadata, the results as a dataset, the profiles that it follows."""
    yield {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": [_link(CRATE), _link(WORKFLOW_CRATE)],
        "about": _link("./"),
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Synthorax: study {record['study']}",
        "description": record["headline"],
        "datePublished": ended,
        "license": "for you to say: the licence of results follows from that of the films",
        "conformsTo": [_link(one) for one in PROFILES],
        "hasPart": [_link(WORKFLOW), *(_link(one["@id"]) for one in files)],
        "mainEntity": _link(WORKFLOW),
        "mentions": [_link("#run"), *(_link(one["@id"]) for one in rules)],
    }
    yield from (
        {"@id": one, "@type": "CreativeWork", "name": name, "version": one.rsplit("/", 1)[1]}
        for one, name in PROFILES.items()
    )


def _software(results: Path, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the workflow, its language, and the packages of the run."""
    yield {
        **_file(results, results / FOLDER / "Snakefile"),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Synthorax",
        "programmingLanguage": _link("#snakemake"),
        "version": record.get("commit") or "not known",
        "softwareRequirements": [_link(f"#package-{name}") for name in record["versions"]],
    }
    yield {
        "@id": "#snakemake",
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "url": "https://snakemake.github.io",
        "version": record["versions"].get("snakemake", "not known"),
    }
    for name, version in record["versions"].items():
        package = {"@id": f"#package-{name}", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
        yield package | ({"url": f"https://pypi.org/project/{name}/"} if name in PACKAGES else {})


def _rules(results: Path) -> Iterator[dict[str, Any]]:
    """Yield one action a rule: how many jobs it had, and their seconds by the clock, from the benchmarks of the run."""
    for rule, seconds in rule_seconds(results).items():
        yield {
            "@id": f"#rule-{rule}",
            "@type": "CreateAction",
            "name": rule,
            "description": f"{count(len(seconds), 'job')}, {sum(seconds):,.1f} s by the clock",
            "instrument": _link(f"#command-{rule}"),
            "endTime": _time(max(file.stat().st_mtime for file in (results / "benchmarks" / rule).glob("*.tsv"))),
        }


def _time(seconds: float) -> str:
    """Return a file's time of change in UTC, as 2025-11-27T10:00:00+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _link(name: str) -> dict[str, str]:
    return {"@id": name}
