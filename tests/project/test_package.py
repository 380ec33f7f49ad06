"""`pip install .` gives a package with all of its modules, and files of the project that others read are well-formed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml

from tests.conftest import ROOT


def test_a_wheel_holds_every_module_and_the_pages_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "synthorax.py"):
        shutil.copy2(ROOT / name, source / name)
    shutil.copytree(ROOT / "scripts", source / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert "synthorax.py" in wheel.namelist()
        held = {name for name in wheel.namelist() if name.startswith("scripts/")}
    files = [file for file in (ROOT / "scripts").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert {file.relative_to(ROOT).as_posix() for file in files} == held


def test_the_citation_agrees_with_the_project() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"] and citation["license"] == project["license"]
    assert citation["authors"] == [{"name": "The Synthorax developers"}]


def test_hooks_and_workflow_run_what_the_lock_and_the_makefile_have() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    lock, makefile = (ROOT / "requirements.lock").read_text(), (ROOT / "Makefile").read_text()
    for hook in hooks[0]["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert program == "python" or f"\n{program}==" in lock, hook["id"]
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    for step in (step for job in jobs.values() for step in job["steps"]):
        words = step.get("run", "").split()
        assert words[:1] != ["make"] or f"\n{words[1]}: " in makefile, step
        assert all((ROOT / word).exists() for word in words if word.startswith("tests/")), step
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = makefile.split(".PHONY: ")[1].splitlines()[0].split()
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    told = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(phony) - {"mend"} <= set(told)
