"""Paths and users that are unusual and right: braces, blanks, quotes, names as long as they may be, nobody's home."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from scripts.lib.core.atomic import atomic_dir, atomic_file
from scripts.lib.core.errors import InputError
from scripts.lib.engine.braced_paths import without_braces
from scripts.lib.engine.commands import run
from scripts.lib.engine.nameless_user import name_user
from scripts.lib.engine.start import check_place
from scripts.lib.study import config as study_config
from tests.conftest import ROOT, copy_repository

STRANGE = 'a {b} {data} 100% %s "q" $HOME ü\'s;&'
NOBODY = """
import os, pwd
def nobody(*arguments):
    raise KeyError("getpwuid(): uid not found: 4242")
os.getuid = lambda: 4242
pwd.getpwuid = nobody
"""


def table(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"a": [1, 2]}).to_csv(path, index=False)
    return path


def collect(source: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a real command of the workflow by hand."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.collect_tables", "--tables", str(source), "--out", str(out)],
        cwd=ROOT, env=environment or {**os.environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("length", [200, 240, 255])
def test_an_output_may_have_the_longest_name_there_is(tmp_path: Path, length: int) -> None:
    name = "x" * (length - 4) + ".csv"
    with atomic_file(tmp_path / name) as path:
        path.write_text("whole")
    with atomic_dir(tmp_path / name.replace(".csv", ".dir")) as folder:
        (folder / "inside").touch()
    assert (tmp_path / name).read_text() == "whole"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".dir"]


def test_a_name_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    done = collect(table(tmp_path / "in.csv"), tmp_path / ("x" * 256 + ".csv"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "File name too long; choose a shorter name" in done.stderr, done.stderr


def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path: Path) -> None:
    done = collect(table(tmp_path / "in.csv"), tmp_path / "in.csv" / "out.csv")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr, done.stderr


def test_a_place_without_the_right_to_write_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "out.csv"))

    with pytest.raises(SystemExit):
        run(main)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Permission denied; choose another place" in said


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    def main() -> None:
        raise FileNotFoundError(2, "No such file or directory", "x")

    with pytest.raises(FileNotFoundError):
        run(main)


def test_strange_paths_and_a_bare_environment_do_not_matter_to_a_command(tmp_path: Path) -> None:
    source = table(tmp_path / STRANGE / "in {x}.csv")
    done = collect(source, tmp_path / STRANGE / "out {y}.csv", PATH="/usr/bin:/bin", LANG="C", TMPDIR="/nowhere")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / STRANGE / "out {y}.csv").is_file()


def test_a_user_without_name_and_home_gets_both(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def nobody(*arguments: object) -> None:
        raise KeyError("getpwuid(): uid not found: 4242")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "")  # so that both are put back at the end
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    name_user()
    assert getpass.getuser() == "uid-4242" and Path.home().is_dir()
    home = os.environ["HOME"]
    name_user()
    assert os.environ["HOME"] == home
    Path(home).rmdir()


def test_a_plan_for_a_user_without_name_and_of_films_behind_braces(tmp_path: Path) -> None:
    """A container under a bare number: no name, a home that cannot be written, plain C as language."""
    workflow = copy_repository(tmp_path / 'copy 100% "q" $HOME ü\'s')
    (workflow.root / "sitecustomize.py").write_text(NOBODY)
    films = tmp_path / STRANGE / "films"
    films.mkdir(parents=True)
    (films / "labels {1}.csv").write_text("image_id,file,source,patient_id,pneumonia\n")
    overlay = tmp_path / "over.yaml"
    overlay.write_text(
        'datasets: {adults: {reader: {table: "labels {1}.csv"}}, children: {reader: {table: "labels {1}.csv"}}}'
    )
    command = workflow.command("-n", "results/figure2.pdf", "--config", f"films={films}", study="studies/real-cxr.yaml")
    command[command.index("studies/real-cxr.yaml") + 1 :] = [str(overlay)]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C", "HOME": "/nowhere", "PYTHONPATH": str(workflow.root)}
    done = subprocess.run(
        command, cwd=workflow.root, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    links = sorted((workflow.root / ".snakemake" / "paths").glob("*/*"))
    assert sorted(link.name for link in links) == ["films", "labels _1_.csv"]
    assert all("{" not in str(link) and link.exists() for link in links)


def test_every_path_of_a_configuration_may_hold_braces(tmp_path: Path) -> None:
    default = study_config.load_study([ROOT / "config.yaml"])
    default["base"]["path"] = "models/{x}"
    default["proxy"]["model"] = "local-dir:models/{y}"
    default["feedback"]["ratings"] = "{z}.jsonl"
    default["trials"]["multilabel"]["model"]["weights"] = "{w}.ckpt"
    default["datasets"]["rsna"] |= {"root": "{r}", "reader": {"table": "{t}.csv", "box_masks": False}}
    found = without_braces(default, tmp_path)
    assert found["proxy"]["model"].startswith("local-dir:") and found["trials"]["multilabel"]["model"][
        "weights"
    ].endswith(".ckpt")
    assert Path(found["datasets"]["rsna"]["reader"]["table"]).readlink() == Path("{r}/{t}.csv").absolute()
    assert Path(found["base"]["path"]).readlink() == Path("models/{x}").absolute()
    texts = [
        found["base"]["path"],
        found["proxy"]["model"],
        found["feedback"]["ratings"],
        found["datasets"]["rsna"]["root"],
    ]
    assert not any(set("{}") & set(text) for text in texts)
    assert found["proxy"]["templates"] == ["{}"] and without_braces(default, tmp_path) == found
    assert without_braces(study_config.load_study([ROOT / "config.yaml"]), tmp_path / "none") is not None
    assert not (tmp_path / "none").exists()


def test_a_workflow_in_a_folder_with_braces_is_refused_in_one_line() -> None:
    check_place(Path("/a 100% 'q'"))
    with pytest.raises(InputError, match="braces in the path of the workflow; move or rename"):
        check_place(Path("/a/{b}"))


def test_images_from_elsewhere_below_braces_keep_their_table_beside_them(tmp_path: Path) -> None:
    from scripts.lib.study.sources import PROMPT_INFO

    folder = tmp_path / "my {images}"
    folder.mkdir()
    (folder / PROMPT_INFO).touch()
    arms = {
        "mine": {"source": "pool", "path": str(folder / PROMPT_INFO)},
        "yours": {"source": "pool", "path": str(folder)},
    }
    config = study_config.load_study([ROOT / "config.yaml"], {"arms": arms})
    found = without_braces(config, tmp_path / "paths")["arms"]
    assert found["mine"]["path"] == found["yours"]["path"] and "{" not in found["mine"]["path"]
    assert (Path(found["mine"]["path"]) / PROMPT_INFO).is_file()
