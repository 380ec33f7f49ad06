"""The identity of unfinished work: bound to code, libraries, settings and data, whatever the order of the settings."""

from __future__ import annotations

from scripts.lib.core.seeds import content_hash
from scripts.lib.study.fingerprint import fingerprint
from scripts.lib.study.versions import versions
from scripts.lib.training.identity import resume_identity


def test_code_libraries_settings_and_data_make_the_identity() -> None:
    code = fingerprint("scripts.train_base") + versions("train_base")
    assert resume_identity("train_base", {"b": 1, "a": {}}, "films", 7) == content_hash(
        code, '{"a":{},"b":1}', "films", 7
    )
    others = [
        resume_identity("train_base", {"b": 1, "a": {}}, "films", 7),
        resume_identity("train_base", {"a": {}, "b": 1}, "films", 7),
        resume_identity("train_base", {"a": {}, "b": 2}, "films", 7),
        resume_identity("train_base", {"a": {}, "b": 1}, "films", 8),
        resume_identity("train_proxy", {"a": {}, "b": 1}, "films", 7),
    ]
    assert others[0] == others[1] and len(set(others)) == 4
