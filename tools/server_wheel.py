"""Prepares the folder that the wheel `affilia-server` is built from.

In the repository each layer is a top-level folder, so imports are short (`from domain.days import …`). Installed beside
other people's packages, names such as `server` or `storage` would collide. The copy therefore has one root package,
`affilia_server`, and every import of a layer gets that prefix (docs/decisions/0021).
"""

import ast
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT_PACKAGE = "affilia_server"
LAYERS = {name: REPOSITORY / name for name in ("domain", "storage", "operations", "server")}
LAYERS |= {name: REPOSITORY / "clients" / name for name in ("affilia_views", "affilia_cli", "affilia_console")}
SAMPLE_BOOK = Path("affilia_cli", "samples", "book")
"""Where the sample book is in the root package. In the repository it is the folder samples/."""

MODULE_NAME = re.compile(rf"({'|'.join(LAYERS)})(\.\w+)+")

PACKAGE = '"""Affilia\'s server and its command line."""\n'
PROGRAM = '''"""`python -m affilia_server …` is the program `affilia`."""

from affilia_server.server.__main__ import main

if __name__ == "__main__":
    main()
'''


class NotRewritable(Exception):
    """A module refers to a layer in a form that this build doesn't rewrite. The text names file and line."""


def copy(destination: Path) -> None:
    """Writes the project with its layers below one root package into an empty folder. Raises NotRewritable."""
    for name in ("README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, destination)
    (destination / "pyproject.toml").write_text(_project((REPOSITORY / "pyproject.toml").read_text()))
    package = destination / ROOT_PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "__main__.py").write_text(PROGRAM)
    (package / "py.typed").touch()
    for name, folder in LAYERS.items():
        shutil.copytree(folder, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(REPOSITORY / "samples", package / SAMPLE_BOOK)
    for module in sorted(package.rglob("*")):
        if module.suffix in (".py", ".mako"):
            module.write_text(_prefix_template(module) if module.suffix == ".mako" else prefix_imports(module))


def prefix_imports(module: Path) -> str:
    """Returns a module's source with `affilia_server.` before every layer that it imports. Raises NotRewritable."""
    source = module.read_text()
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and _is_layer(node.module):
            lines[node.lineno - 1] = _prefixed(lines[node.lineno - 1], "from")
        elif isinstance(node, ast.Import) and any(_is_layer(alias.name) for alias in node.names):
            if len(node.names) > 1 or not node.names[0].asname:
                # `import server.settings` binds the name `server`, which the rewritten statement wouldn't.
                raise NotRewritable(f"{module}:{node.lineno}: write `from … import …` or `import … as …`")
            lines[node.lineno - 1] = _prefixed(lines[node.lineno - 1], "import")
    rewritten = "".join(lines)
    if left := list(bare_references(rewritten)):
        line, name = left[0]
        raise NotRewritable(f"{module}:{line}: {name} must not be named in a string; use the module's __name__")
    return rewritten


def bare_references(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and name of each import of a layer without the prefix, and of each string that names its module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and _is_layer(node.module):
            yield node.lineno, str(node.module)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if _is_layer(alias.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE_NAME.fullmatch(node.value):
            yield node.lineno, node.value


def _is_layer(module: str | None) -> bool:
    return bool(module) and str(module).partition(".")[0] in LAYERS


def _prefixed(line: str, keyword: str) -> str:
    return re.sub(rf"\b{keyword}\s+(?=({'|'.join(LAYERS)})\b)", rf"{keyword} {ROOT_PACKAGE}.", line, count=1)


def _prefix_template(template: Path) -> str:
    """Returns the template of new migrations, which isn't Python yet, with its imports prefixed line by line."""
    return "".join(_prefixed(line, "from") for line in template.read_text().splitlines(keepends=True))


def _project(text: str) -> str:
    """Returns the repository's pyproject.toml with our own two packages, of the same version, as dependencies."""
    version = tomllib.loads(text)["project"]["version"]
    pins = "".join(f'    "{name}=={version}",\n' for name in ("affilia-stubs", "affilia-client"))
    head, opening, tail = text.partition("\ndependencies = [\n")
    if not opening:
        raise ValueError("pyproject.toml has no line `dependencies = [`")
    return head + opening + pins + tail
