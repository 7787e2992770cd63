"""Stubs for Go, Java and TypeScript, generated as clients/ documents, and their examples against a running server.

They are generated in copies under .build/packaging.
"""

import re
import subprocess

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.packaging.environments import ROOT, copy_of, fetch, node_project, program, run
from tests.support.calls import Family
from tools import protos

BUF = protos.PROGRAMS / "buf"


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
    folder = node_project("typescript")
    run(BUF, "generate", ROOT, cwd=folder)
    run(program("npm"), "run", "build", cwd=folder)
    output = run(program("node"), "dist/example.js", server_address, cwd=folder)
    assert family.contract_id in output or "10 contract(s)" in output
    assert output.endswith("NotFound/CONTRACT_UNKNOWN\n")


def test_java_stubs_compile_and_their_example_runs(family: Family, server_address: str) -> None:
    folder = copy_of("java")
    maven = (
        program("mvn"),
        "--batch-mode",
        "--no-transfer-progress",
        "-Dstyle.color=never",
        f"-Dprotos={ROOT / 'protos'}",
    )
    built = subprocess.run([*maven, "package"], cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
    if missing := re.search(r"Could not (?:resolve|transfer|find artifact).*", built.stdout):
        pytest.skip(f"Maven can't download what this test needs: {missing[0]}")
    assert built.returncode == 0, built.stdout
    output = run(*maven, "--quiet", f"-Dexec.args={server_address}", "exec:java", cwd=folder)
    assert family.contract_id in output or "10 contract(s)" in output
    assert "NOT_FOUND/CONTRACT_UNKNOWN\n" in output
