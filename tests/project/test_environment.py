"""The lock, the conda environment and pyproject.toml name the same packages in the same versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.M):
        found.setdefault(canonical(name), set()).add(version)
    return found


def wanted() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [canonical(re.split(r"[=<>~! ]", line)[0]) for line in project["dependencies"]]


def test_conda_environment_has_the_versions_of_the_lock() -> None:
    content = yaml.safe_load((ROOT / "envs" / "main.yaml").read_text())
    pins = next(entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    named = {canonical(pin.split("==")[0]): pin.split("==")[1] for pin in pins}
    assert sorted(named) == sorted(wanted())
    lock = locked()
    assert {name: version for name, version in named.items() if version not in lock[name]} == {}


def test_every_locked_package_has_hashes_and_no_host_is_named() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9_.-]+==)", text)
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "http://" not in text
    assert "https://" not in text


def test_every_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    rows = {canonical(name) for name in re.findall(r"^\| `?([A-Za-z0-9_.-]+)`? \|", page, re.M)}
    assert [name for name in wanted() if name not in rows] == []


def test_no_stranger_is_unpickled() -> None:
    """Weights are read as safetensors; torch.load appears only with weights_only=True."""
    offenders = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "scripts").rglob("*.py")
        for call in re.findall(r"(?:torch\.load|pickle\.loads?|np\.load)\([^)]*\)", file.read_text())
        if "weights_only=True" not in call and "allow_pickle=False" not in call
    ]
    assert offenders == []
