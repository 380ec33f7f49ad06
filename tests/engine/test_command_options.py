"""What every command shares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.core.seeds import content_hash, derive_seed, rng
from scripts.lib.engine.commands import add_config, make_parser, run

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(path.stem for path in (ROOT / "scripts").glob("[a-z]*.py"))
# Commands that print, ask or write into a results folder of fixed form.
PRINTING = ("plan_study", "rate_images", "renew_docs", "show_status", "trace_image", "write_provenance")


def parse(text: str) -> dict[str, object]:
    parser = make_parser("doc")
    add_config(parser, "a stage")
    return parser.parse_args(["--config", text]).config


def test_settings_come_as_text_or_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "stage.yaml").write_text("steps: 3\n")
    assert parse('{"steps": 3}') == parse(str(tmp_path / "stage.yaml")) == {"steps": 3}
    (tmp_path / "stage.json").write_text('{"rate": 1e-06}')  # text in YAML, a number in JSON
    assert parse(str(tmp_path / "stage.json")) == {"rate": 0.000001}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing.yaml", "neither JSON text nor an existing .json or .yaml file: nothing.yaml"),
        ("steps=3", "neither JSON text"),
        ("{", "argument --config: not JSON (Expecting property name enclosed in double quotes"),
        ('{"images":3', "argument --config: not JSON (Expecting ',' delimiter: line 1 column 12"),
    ],
)
def test_other_settings_are_refused(text: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(text)
    assert reason in capsys.readouterr().err


def test_an_input_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise InputError("row 3: bad")

    with pytest.raises(SystemExit) as stop:
        run(main)
    assert stop.value.code == 1
    assert capsys.readouterr().err.endswith("error: row 3: bad\n")


def test_seeds_depend_on_every_part_and_on_their_borders() -> None:
    assert derive_seed(1, "a") == derive_seed(1, "a")
    assert len({derive_seed(1, "ab", "c"), derive_seed(1, "a", "bc"), derive_seed(2, "ab", "c")}) == 3
    assert 0 <= derive_seed("x") < 2**63
    assert content_hash("x", digits=8) == content_hash("x")[:8]
    assert rng(1, "a").random() == rng(1, "a").random()


def test_there_is_a_help_text_for_every_command() -> None:
    """One process asks all of them: the parser is built before anything heavy is imported."""
    program = (
        "import importlib, io, contextlib, sys\n"
        f"for name in {COMMANDS!r}:\n"
        "    text = io.StringIO()\n"
        "    with contextlib.redirect_stdout(text):\n"
        "        try:\n"
        "            importlib.import_module(f'scripts.{name}').main(['--help'])\n"
        "        except SystemExit as stop:\n"
        "            assert stop.code == 0, name\n"
        f"    assert '--out' in text.getvalue() or name in {PRINTING!r}, name\n"
        "    assert 'torch' not in sys.modules, f'{name} imports torch for its help'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
