"""Stubs for Go and TypeScript, made as clients/ says, and their examples against a running server.

Made in copies under .build/packaging. Java is documented there and not tried here: Maven fetches too much for a test.
"""

import shutil
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.packaging.fetching import CACHE, ROOT, fetch, program, run
from tests.support.calls import Family
from tools import protos

BUF = protos.PROGRAMS / "buf"


def copy_of(name: str) -> Path:
    """A copy of a folder of clients/, anew but for what is fetched into it."""
    destination = CACHE / name
    made = shutil.ignore_patterns("node_modules", "dist", "gen", "affilia", "target")
    shutil.copytree(ROOT / "clients" / name, destination, ignore=made, dirs_exist_ok=True)
    protos.bring_third_party(protos.PROTOS, protos.THIRD_PARTY)
    return destination


def test_every_file_says_its_package_in_other_languages() -> None:
    described = FileDescriptorSet.FromString((ROOT / "generated/affilia/descriptors.binpb").read_bytes()).file
    ours = [file for file in described if file.package.startswith("affilia.")]
    assert len(ours) == len(list(protos.PROTOS.rglob("*.proto")))
    for file in ours:
        area = file.package.removeprefix("affilia.").removesuffix(".v1")
        assert file.options.go_package == f"affilia/gen/go/affilia/{area}/v1;{area}v1", file.name
        assert file.options.java_package == f"com.affilia.{area}.v1", file.name
        assert file.options.java_multiple_files, file.name


def test_go_stubs_compile_and_their_example_is_answered(family: Family, server_address: str) -> None:
    go = program("go")
    folder = copy_of("go")
    fetch(go, "mod", "download", cwd=folder)
    run(BUF, "generate", protos.PROTOS, cwd=folder)
    run(go, "vet", "./...", cwd=folder)
    said = run(go, "run", "./example", server_address, cwd=folder)
    assert family.contract_id in said or "10 contract(s)" in said
    assert said.endswith("NotFound/CONTRACT_UNKNOWN\n")


def test_typescript_stubs_compile_and_their_example_is_answered(family: Family, server_address: str) -> None:
    node, npm = program("node"), program("npm")
    if int(run(node, "--version").lstrip("v").split(".")[0]) < 20:
        pytest.skip("node is older than 20")
    folder = copy_of("typescript")
    stamp, lock = folder / "node_modules" / "installed", (folder / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        fetch(npm, "ci", "--no-audit", "--no-fund", cwd=folder)
        stamp.write_text(lock)
    run(BUF, "generate", ROOT, cwd=folder)
    run(npm, "run", "build", cwd=folder)
    said = run(node, "dist/example.js", server_address, cwd=folder)
    assert family.contract_id in said or "10 contract(s)" in said
    assert said.endswith("NotFound/CONTRACT_UNKNOWN\n")
