"""From protos/ to generated/: third-party protos and compilers come from wheels.

    python tools/protos.py third-party   bring the protos that ours import into .build/third_party, for buf
    python tools/protos.py generate      write generated/affilia: stubs, types, descriptors
    python tools/protos.py stale         say which generated files no longer match protos/
    python tools/protos.py breaking      compare protos/ with the last version, by buf's rules

Generated code is a pure function of protos/ and the locks (the dev lock has the types' generator and Google's protos,
requirements-protoc.lock the compiler): files in sorted order, no dates, no paths.
"""

import filecmp
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import google.api
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools import compiler

REPOSITORY = Path(__file__).resolve().parent.parent
PROTOS = REPOSITORY / "protos"
GENERATED = REPOSITORY / "generated" / "affilia"
BUILD = REPOSITORY / ".build"
THIRD_PARTY = BUILD / "third_party"
PROGRAMS = Path(sys.executable).parent

# Where its wheel keeps google.api and its like.
COMMON_PROTOS = Path(next(iter(google.api.__path__))).parent.parent
# Imported by none of ours, but what refusals carry: callers whose language has no package of it generate it too.
ERROR_DETAILS = "google/rpc/error_details.proto"
DESCRIPTORS = "descriptors.binpb"
NO_PYTHON = "The compiler of the stubs runs on Python 3.11 or 3.12, and neither is here (docs/decisions/0011)"

IMPORT = re.compile(r'^import\s+(?:public\s+|weak\s+)?"([^"]+)"\s*;', re.MULTILINE)


def bring_third_party(protos: Path, destination: Path) -> None:
    """Copies what the protos under a folder import from outside, transitively, and the details of errors.

    google/protobuf is left out: buf and protoc both carry it.
    """
    imported = [name for file in protos.rglob("*.proto") for name in IMPORT.findall(file.read_text())]
    wanted = [*imported, ERROR_DETAILS]
    brought: dict[str, str] = {}
    while wanted:
        name = wanted.pop()
        if name in brought or name.startswith("google/protobuf/") or (protos / name).exists():
            continue
        source = COMMON_PROTOS / name
        if not source.exists():
            sys.exit(f"{name} is imported, but neither under protos/ nor in googleapis-common-protos")
        brought[name] = source.read_text()
        wanted += IMPORT.findall(brought[name])
    # Rewritten only where it differs, for buf may be reading it at the same time.
    destination.mkdir(parents=True, exist_ok=True)
    for file in destination.rglob("*.proto"):
        if file.relative_to(destination).as_posix() not in brought:
            file.unlink()
    for name, text in brought.items():
        target = destination / name
        if not target.exists() or target.read_text() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


def generate(protoc: Path, destination: Path) -> None:
    """Writes the package `affilia` into a folder that exists, with the compiler in the venv of a given Python."""
    files = sorted(file.relative_to(PROTOS).as_posix() for file in PROTOS.rglob("*.proto"))
    if not files:
        sys.exit("There are no protos under protos/.")
    services = [file for file in files if re.search(r"^service\s", (PROTOS / file).read_text(), re.MULTILINE)]
    well_known = compiler.well_known_protos(protoc)
    includes = [f"--proto_path={folder}" for folder in (PROTOS, THIRD_PARTY, well_known)]
    package = destination / "affilia"
    package.mkdir()
    messages = [f"--python_out={destination}", f"--mypy_out={destination}"]
    calls = [f"--grpc_python_out={destination}", f"--mypy_grpc_out={destination}"]
    descriptors = ["--include_imports", "--include_source_info"]
    descriptors.append(f"--descriptor_set_out={package / DESCRIPTORS}")
    compiler.protoc(protoc, PROGRAMS, *includes, *messages, *descriptors, *files)
    if services:
        compiler.protoc(protoc, PROGRAMS, *includes, *calls, *services)
    for folder in [package, *(folder for folder in package.rglob("*") if folder.is_dir())]:
        (folder / "__init__.py").touch()
    (package / "py.typed").touch()


def replace_generated() -> None:
    """Generates beside the old package and then puts the new one in its place, so that nothing stale stays."""
    protoc = compiler.python()
    if protoc is None:
        sys.exit(NO_PYTHON)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        generate(protoc, Path(folder))
        shutil.rmtree(GENERATED, ignore_errors=True)
        GENERATED.parent.mkdir(exist_ok=True)
        Path(folder, "affilia").rename(GENERATED)
    print(f"generated/affilia: {sum(1 for _ in _files(GENERATED))} files")


def stale() -> list[str]:
    """The generated files that differ from what generating would write now, missing and left-over ones too.

    Where the compiler cannot run, only the descriptors are judged, against those that buf makes.
    """
    protoc = compiler.python()
    if protoc is None:
        print(f"{NO_PYTHON}: only the descriptors were compared.")
        return [DESCRIPTORS] if described_by_buf() != _without_sources((GENERATED / DESCRIPTORS).read_bytes()) else []
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        generate(protoc, Path(folder))
        fresh = Path(folder, "affilia")
        names = {file.relative_to(root).as_posix() for root in (fresh, GENERATED) for file in _files(root)}
        return sorted(
            name
            for name in names
            if not ((fresh / name).exists() and (GENERATED / name).exists())
            or not filecmp.cmp(fresh / name, GENERATED / name, shallow=False)
        )


def described_by_buf() -> dict[str, bytes]:
    """What protos/ say now, by file, without comments."""
    build = ["build", "--as-file-descriptor-set", "--exclude-source-info", "--output=-#format=binpb"]
    done = subprocess.run([PROGRAMS / "buf", *build], cwd=REPOSITORY, capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return _without_sources(done.stdout)


def _without_sources(descriptors: bytes) -> dict[str, bytes]:
    found = {}
    for file in FileDescriptorSet.FromString(descriptors).file:
        if file.name.startswith("affilia/"):
            file.ClearField("source_code_info")
            found[file.name] = file.SerializeToString(deterministic=True)
    return found


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def previous_version() -> str | None:
    """The git ref whose protos ours must not break; none when no version has been released yet.

    The newest tag v…; before the first one, on a branch, the commit where it left main. On main itself, until a
    version is released, protos may change freely. AFFILIA_BREAKING_AGAINST names another ref.
    """
    if named := os.environ.get("AFFILIA_BREAKING_AGAINST"):
        return named
    if tag := _git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*"):
        return tag
    for main in ("origin/main", "main"):
        base = _git("merge-base", "HEAD", main)
        if base and base != _git("rev-parse", "HEAD"):
            return base
    return None


def breaking() -> int:
    """Runs `buf breaking` against the previous version, brought into a folder with its own third-party protos."""
    ref = previous_version()
    if ref is None:
        print("No earlier version: nothing to break.")
        return 0
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        before = Path(folder)
        archive = subprocess.run(
            ["git", "archive", "--format=zip", ref, "protos", "buf.yaml"],
            cwd=REPOSITORY, capture_output=True, check=False,
        )  # fmt: skip
        if archive.returncode:
            if _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
                print(f"No protos at {ref}: nothing to break.")
                return 0
            print(archive.stderr.decode())
            return archive.returncode
        with zipfile.ZipFile(io.BytesIO(archive.stdout)) as contents:
            contents.extractall(before)
        bring_third_party(before / "protos", before / ".build" / "third_party")
        print(f"Comparing with {ref}")
        return subprocess.run(
            [PROGRAMS / "buf", "breaking", "--against", before], cwd=REPOSITORY, check=False
        ).returncode


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> int:
    """Runs the command named on the command line."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    BUILD.mkdir(exist_ok=True)
    bring_third_party(PROTOS, THIRD_PARTY)
    match command:
        case "third-party":
            return 0
        case "generate":
            replace_generated()
            return 0
        case "stale":
            names = stale()
            if names:
                print("Stale, run `make generate`:", *names, sep="\n  ")
            return bool(names)
        case "breaking":
            return breaking()
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
