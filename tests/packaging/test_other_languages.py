"""Stubs for Go and TypeScript, generated as clients/ documents, and their examples against a running server.

They are generated in copies under .build/packaging. Java is not tested here, because Maven downloads too much.
"""

import shutil
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.packaging.environments import CACHE, ROOT, fetch, program, run
from tests.support.calls import Family
from tools import protos

BUF = protos.PROGRAMS / "buf"


def copy_of(name: str) -> Path:
    """Copies a folder of clients/ again, but keeps the packages that were downloaded into the last copy."""
    destination = CACHE / name
    generated = shutil.ignore_patterns("node_modules", "dist", "gen", "affilia", "target")
    shutil.copytree(ROOT / "clients" / name, destination, ignore=generated, dirs_exist_ok=True)
    protos.copy_third_party(protos.PROTOS, protos.THIRD_PARTY)
    return destination


def test_every_proto_names_its_go_and_java_packages() -> None:
    described = FileDescriptorSet.FromString((ROOT / "generated/affilia/descriptors.binpb").read_bytes()).file
    ours = [file for file in described if file.package.startswith("affilia.")]
    assert len(ours) == len(list(protos.PROTOS.rglob("*.proto")))
    for file in ours:
        area = file.package.removeprefix("affilia.").removesuffix(".v1")
        assert file.options.go_package == f"affilia/gen/go/affilia/{area}/v1;{area}v1", file.name
        assert file.options.java_package == f"com.affilia.{area}.v1", file.name
        assert file.options.java_multiple_files, file.name


def test_go_stubs_compile_and_their_example_runs(family: Family, server_address: str) -> None:
    go = program("go")
    folder = copy_of("go")
    fetch(go, "mod", "download", cwd=folder)
    run(BUF, "generate", protos.PROTOS, cwd=folder)
    run(go, "vet", "./...", cwd=folder)
    output = run(go, "run", "./example", server_address, cwd=folder)
    assert family.contract_id in output or "10 contract(s)" in output
    assert output.endswith("NotFound/CONTRACT_UNKNOWN\n")


def test_typescript_stubs_compile_and_their_example_runs(family: Family, server_address: str) -> None:
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
    output = run(node, "dist/example.js", server_address, cwd=folder)
    assert family.contract_id in output or "10 contract(s)" in output
    assert output.endswith("NotFound/CONTRACT_UNKNOWN\n")
