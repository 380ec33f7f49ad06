"""What a job server imports before it starts a job: what the command's file names, and what its last job had imported."""

from __future__ import annotations

import ast
import gc
import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

from scripts.lib.study.fingerprint import ROOT

PACKAGE = "scripts"
LEAN = "scripts.lib.engine.lean_imports"
# They import much of themselves when it is first called for, the same for each table or picture.
LAZY = ("pyarrow", "pandas", "PIL", "matplotlib", "fontTools")


def named_imports(path: Path) -> list[str]:
    """Return the modules that a file of source imports, also within its functions, in order; not what only types need."""
    return list(dict.fromkeys(_modules(ast.parse(path.read_bytes()).body)))


def _modules(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield statement.module or ""
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        elif not (isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)):
            for part in ("body", "orelse", "finalbody"):
                yield from _modules(getattr(statement, part, []))


class Preloaded:
    """Imports what commands need, each command's once; `folder` is where jobs leave what they had imported."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.named, self.read = folder, set[str](), set[Path]()
        self.learned: dict[str, list[str]] = {}  # by command, until it is asked for
        folder.mkdir()

    def load(self, module: str) -> None:
        """Import what `python -m module` imports, as far as that is known by now. What cannot be imported is the job's to say."""
        names: list[str] = []
        if module not in self.named:
            self.named.add(module)
            path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
            names = named_imports(path) if path.is_file() else []  # a command of another copy of the project alone
        for path in set(self.folder.glob("*.json")) - self.read:
            self.read.add(path)
            self.learned[path.stem] = json.loads(path.read_text())
            names += [name for name in self.learned[path.stem] if name.split(".")[0] in LAZY]  # whatever command comes
        names += self.learned.pop(module, [])
        if set(names) - sys.modules.keys():
            self._import(names)

    def _import(self, names: list[str]) -> None:
        lean = nullcontext()
        if LEAN in names:
            lean = importlib.import_module(LEAN).lean_imports()
        with lean:
            for name in names:
                with suppress(Exception):  # an attribute of a module, or an error that the job meets itself
                    importlib.import_module(name)
        gc.collect()
        gc.freeze()  # collections of a job pass by all this, and leave its memory shared

    def learn(self, module: str) -> None:
        """Leave what this process, a job, has imported of the project, which brings the libraries with it, and of the lazy ones.

        Called at a job's end.
        """
        path = self.folder / f"{module}.json"
        if path.is_file():
            return
        names = [name for name in sys.modules if name.split(".")[0] in (PACKAGE, *LAZY)]
        part = path.with_suffix(f".{id(names)}.part")
        with suppress(OSError):
            part.write_text(json.dumps(names))
            part.rename(path)
