"""A content hash of a command and of every first-party module it imports.

Snakemake never follows imports. A rule that carries `params: code=fingerprint("scripts.x")` reruns when the code that
it runs changes, and only then: comments, docstrings and file times do not count.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from scripts.lib.core.atomic import atomic_file

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "scripts"
# What is known of texts of source files: {SHA-256 of the text: [digest, imports]}. It is a third of a dry run, and lies where
# Python keeps what it has compiled. Its name holds what the answers depend on beside the text: Python and this file.
KNOWN = (
    f"fingerprints.{sys.implementation.cache_tag}.{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}.json"
)
MOST_KNOWN = 4000  # texts; of more than that only those of the files as they are now are kept
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # where a node of a syntax tree keeps statements


@cache
def _module_file(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node that may be an import or begin with a docstring: expressions, nine nodes of ten, are passed by."""
    queue = [tree]
    while queue:
        node = queue.pop()
        yield node
        for name in BLOCKS:
            part = getattr(node, name, None)
            if isinstance(part, list):
                queue.extend(part)


def _strip_docstrings(tree: ast.AST) -> None:
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body:
            continue
        first = body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            body[:] = body[1:] or [ast.Pass()]


def _imports(tree: ast.AST) -> set[str]:
    """Return the dotted first-party names that a module imports; `from a import b` may name a module or an attribute."""
    names: set[str] = set()
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(
                    f"relative import at line {node.lineno}: write it absolute, so that it can be followed"
                )
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == PACKAGE}


class Known:
    """What a tree of sources keeps of the texts that were looked at before: a file that may be missing or be deleted."""

    def __init__(self, root: Path) -> None:
        self.file = root / PACKAGE / "__pycache__" / KNOWN
        self.texts: dict[str, tuple[str, list[str]]] = {}
        self.used: set[str] = set()
        self.new = False
        with contextlib.suppress(OSError, ValueError):  # not there, or cut off: it is made anew
            self.texts = dict(json.loads(self.file.read_text()))

    def digest_and_imports(self, file: Path) -> tuple[str, frozenset[str]]:
        """Return the digest of a file's code, without comments and docstrings, and the first-party names it imports."""
        text = file.read_bytes()
        key = hashlib.sha256(text).hexdigest()
        self.used.add(key)
        if key not in self.texts:
            tree = ast.parse(text, filename=str(file))
            imports = sorted(_imports(tree))
            _strip_docstrings(tree)
            self.texts[key] = hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports
            self.new = True
        digest, names = self.texts[key]
        return digest, frozenset(names)

    def store(self) -> None:
        """Write what is new, unless Python was told to write nothing of this kind, or cannot: the next start works it out."""
        if not self.new or sys.dont_write_bytecode:
            return
        self.new = False
        if len(self.texts) > MOST_KNOWN:
            self.texts = {key: self.texts[key] for key in self.used}
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(exist_ok=True)
            with atomic_file(self.file) as part:
                part.write_text(json.dumps(self.texts))


_known = cache(Known)


@cache
def _module(root: Path, name: str) -> tuple[str, frozenset[str]] | None:
    """Return a module's digest and what it imports, its own package too; None where no file has that name."""
    file = _module_file(root, name)
    if file is None:
        return None
    digest, imports = _known(root).digest_and_imports(file)
    package = name.rpartition(".")[0]
    return digest, imports | {package} if package else imports


@cache
def _imported(root: Path, module: str) -> dict[str, str]:
    modules: dict[str, str] = {}
    queue = {module}
    while queue:
        name = queue.pop()
        if (found := _module(root, name)) is not None:
            modules[name], imports = found
            queue |= imports - modules.keys()
    _known(root).store()
    return modules


def forget() -> None:
    """Look at all files again: a process looks at each once, as it imports each once."""
    for remembered in (_known, _module_file, _module, _imported):
        remembered.cache_clear()


def imported_modules(module: str) -> dict[str, str]:
    """Return {module: digest} of `module` and of every first-party module reached from it, packages included.

    Raises ValueError when `module` does not exist or imports relatively.
    """
    if _module_file(ROOT, module) is None:
        raise ValueError(f"no module {module} below {ROOT}")
    return dict(_imported(ROOT, module))


def fingerprint(module: str) -> str:
    """Return 16 hex digits that change when the code behind `python -m module` changes."""
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(imported_modules(module).items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint_of_all() -> str:
    """Return 16 hex digits that change when any first-party module changes, or the text of any rule."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        code, _ = _known(ROOT).digest_and_imports(file)
        digest.update(f"{file.relative_to(ROOT)} {code}\n".encode())
    _known(ROOT).store()
    for file in (ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
