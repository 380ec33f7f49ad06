"""Locks of a killed run go away; locks of a live one stay."""

from __future__ import annotations

from pathlib import Path

from scripts.lib.stale_locks import clear_stale_locks


def test_locks_without_a_live_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.output.lock").write_text("results/a\n")
    with clear_stale_locks(tmp_path):
        assert list((tmp_path / "locks").iterdir()) == []


def test_locks_stay_while_another_run_lives(tmp_path: Path) -> None:
    with clear_stale_locks(tmp_path):
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks" / "0.output.lock").write_text("results/a\n")
        with clear_stale_locks(tmp_path):
            assert len(list((tmp_path / "locks").iterdir())) == 1
    with clear_stale_locks(tmp_path):
        assert list((tmp_path / "locks").iterdir()) == []
