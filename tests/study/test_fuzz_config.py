"""Damaged and hostile configuration files: each is taken or refused with one line, in no time and little memory."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from scripts.lib.core.errors import InputError
from scripts.lib.study import config as study_config
from scripts.lib.study import files
from scripts.lib.study.files import read_yaml
from scripts.lib.study.layers import merge
from scripts.lib.study.parts import PARTS, check_part

ROOT = Path(__file__).resolve().parents[2]
BASE = study_config.read_study([study_config.CONFIG_FILE])


def outcome(path: Path) -> str:
    """Return `taken` or the line that refuses; any other end is the test's failure."""
    began = time.process_time()
    try:
        config = study_config.resolve(merge(BASE, read_yaml(path)))
        for part in PARTS:
            check_part(config, part)
        line = "taken"
    except InputError as error:
        line = str(error)
    assert "\n" not in line and "Traceback" not in line
    assert time.process_time() - began < 10
    return line


@pytest.mark.parametrize("study", ["real-cxr", "paper"])
def test_150_flipped_bytes_are_taken_or_refused_in_one_line(tmp_path: Path, study: str) -> None:
    whole = (ROOT / "studies" / f"{study}.yaml").read_bytes()
    # Comments would take most of the flips.
    plain = b"\n".join(line.split(b" #")[0] for line in whole.splitlines() if not line.lstrip().startswith(b"#"))
    draw, path, ends = random.Random(1), tmp_path / "study.yaml", []
    for _ in range(75):
        damaged = bytearray(plain)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        ends.append(outcome(path))
    # Flips of a digit or of a letter in a title are another study, not a fault; how many these are depends on the file.
    assert 0 < sum(end == "taken" for end in ends) < 75


def nested(depth: int) -> str:
    return "study: " + "[" * depth


def bomb() -> str:
    """Nine aliases of nine aliases, nine times: 9^9 values in ten lines."""
    names = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]" for before, name in zip(names, names[1:], strict=False)
    ]
    return "\n".join(lines)


HOSTILE = {
    "not UTF-8": (b"study: {name: \xe9t\xe9}", "is not UTF-8"),
    "UTF-16": ("study: {seed: 1}".encode("utf-16"), "is not UTF-8"),
    "nothing": (b"", "expected a mapping of keys, got nothing: it is empty"),
    "NUL": (b"study: {name: a\x00b}", "not valid YAML"),
    "nested lists": (nested(10_000).encode(), "nested deeper than 40 levels"),
    "nested mappings": (("{a: " * 10_000).encode(), "nested deeper than 40 levels"),
    "nested blocks": ("\n".join(" " * k + "a:" for k in range(300)).encode(), "nested deeper than 40 levels"),
    "aliases": (bomb().encode(), "more than 20000 values"),
    "a loop": (b"study: &a [*a]", "an alias stands inside of what it repeats"),
    "a loop of merges": (b"study: &a {<<: *a}", "an alias stands inside of what it repeats"),
    "large": (b"# " + b"x" * 300_000, "larger than 262144 bytes"),
    "nan": (b"study: {trials: .nan}", "is not a number that can be used here"),
    "inf": (b"base: {vae: {learning_rate: .inf}}", "is not a number that can be used here"),
    "overflow": (b"statistics: {alpha: 1e999}", "is not a number that can be used here"),
    "digits": (b"study: {seed: " + b"9" * 5000 + b"}", "is not a number that can be used here"),
    "seed": (
        b"study: {seed: 9223372036854775808}",
        "study.seed = 9223372036854775808: expected at most 9223372036854775807",
    ),
    "date": (b"study: {name: 2026-01-31, trials: 2026-01-31}", 'study.trials = "2026-01-31": expected type "integer"'),
    "yes": (b"subsets: {per_trial: yes}", 'subsets.per_trial = "yes": expected type "boolean" (write true)'),
    "off": (b"subsets: {per_trial: off}", '= "off": expected type "boolean" (write false)'),
    "base 60": (b"study: {trials: 1:30}", 'study.trials = "1:30": expected type "integer"'),
    "3.0": (b"study: {trials: 3.0}", 'study.trials = 3.0: expected type "integer"'),
    "true": (b"study: {trials: true}", 'study.trials = true: expected type "integer"'),
    "twice": (b"study: {seed: 1, trials: 2, seed: 3}", "key 'seed' is given twice (first in line 1)"),
    "twice below": (b"base:\n  vae:\n    steps: 1\n    steps: 2\n", ":4: key 'steps' is given twice (first in line 3)"),
    "key of another type": (b"study: {[a]: 1}", "a list or mapping stands where a key is expected"),
    "null key": (b"study: {null: 1}", "unknown key 'null'"),
    "code": (b"study: !!python/object/apply:os.system [true]", "the tag"),
    "set": (b"study: {datasets: !!set {siim}}", "the tag"),
    "binary": (b"study: {name: !!binary aGk=}", "the tag"),
    "timestamp": (b"study: {name: !!timestamp 2026-01-31}", "the tag"),
    "template": (b"__use_yte__: true\n__definitions__: [import os]", "templates, which run code, are not taken here"),
    "two documents": (b"study: {seed: 1}\n---\nstudy: {seed: 2}", "not valid YAML"),
    "damaged escape": (b'study: {name: "\\U99999999"}', "not valid YAML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_one_line(tmp_path: Path, name: str) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    assert message in outcome(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"study": {"seed": 1, "seed": 2}}', "key 'seed' is given twice"),
        ('{"study": {"seed": NaN}}', "NaN is not a number"),
        ('{"study": ' + "[" * 100_000, "nested too deep"),
        ('{"study": ', "not valid JSON"),
        ('{"statistics": {"alpha": 1e999}}', "expected a finite number"),
    ],
)
def test_a_hostile_json_file_as_well(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "study.json"
    path.write_text(content)
    assert message in outcome(path)


def test_what_is_plain_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(
        b"\xef\xbb\xbf# saved by Windows\r\nshared: &a {x: 1e-4, y: no, z: 2026-01-31, 0.01: [1]}\r\n"
        b"other:\r\n  <<: *a\r\n  y: 12:30\r\n  n: ~\r\n  f: .5\r\n  text: '1'\r\n  neg: -3\r\n"
    )
    shared = {"x": 0.0001, "y": "no", "z": "2026-01-31", "0.01": [1]}
    other = {**shared, "y": "12:30", "n": None, "f": 0.5, "text": "1", "neg": -3}
    assert read_yaml(path) == {"shared": shared, "other": other}


def test_libyaml_reads_what_pyyaml_reads() -> None:
    for path in (study_config.CONFIG_FILE, ROOT / "studies" / "paper.yaml", ROOT / "studies" / "tiny.yaml"):
        quick, plain = (files._read(path.read_text(), str(path), quick) for quick in (True, False))
        assert quick == plain and json.dumps(quick) == json.dumps(plain)  # 1 and 1.0 are equal, and differ as text


def test_a_folder_and_a_file_without_the_right_to_read_are_one_line(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in outcome(tmp_path)
    assert "no such configuration file" in outcome(tmp_path / "none.yaml")
