"""Reflection, as common tools use it: buf finds and calls every method by it, in both versions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grpc_reflection.v1alpha import reflection_pb2

from tests.conftest import ROOT
from tests.rpc.conftest import PROBE, SERVICE, Shell
from tests.support.calls import new_id

BUF = Path(sys.executable).with_name("buf")
VERSIONS = ["grpc-v1", "grpc-v1alpha"]


def buf_curl(shell: Shell, version: str, path: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", version]
    url = f"http://{shell.listener.address}{path}"
    return subprocess.run([*command, *flags, url], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_buf_lists_the_services_and_reflection_itself(shell: Shell, version: str) -> None:
    listed = buf_curl(shell, version, "", "--list-services")
    assert listed.returncode == 0, listed.stderr
    assert set(listed.stdout.split()) == {
        SERVICE,
        PROBE,
        "grpc.channelz.v1.Channelz",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_buf_lists_every_method_and_those_of_reflection_itself(shell: Shell, version: str) -> None:
    listed = buf_curl(shell, version, "", "--list-methods")
    assert listed.returncode == 0, listed.stderr
    assert {
        f"{SERVICE}/GetEnrollmentGroup",
        "grpc.health.v1.Health/Watch",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    } <= set(listed.stdout.split())


@pytest.mark.parametrize("version", VERSIONS)
def test_buf_calls_a_method_by_reflection(shell: Shell, version: str) -> None:
    answer = buf_curl(shell, version, f"/{SERVICE}/GetEnrollmentGroup", "-d", json.dumps({"group_id": new_id()}))
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {}


def test_buf_shows_the_violations_of_a_malformed_request(shell: Shell) -> None:
    answer = buf_curl(shell, VERSIONS[0], f"/{SERVICE}/GetEnrollmentGroup", "-d", json.dumps({"group_id": "x"}))
    assert answer.returncode != 0
    assert "google.rpc.BadRequest" in answer.stderr
    assert "must be a UUID" in answer.stderr


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_what_does_not_exist_is_an_answer_and_not_an_error(shell: Shell, version: str) -> None:
    call: Any = shell.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Thing")]
    (answer,) = call(iter(asked), timeout=60)
    assert answer.error_response.error_code == 5
    assert not answer.HasField("file_descriptor_response")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_the_file_of_a_method_is_that_of_its_service(shell: Shell, version: str) -> None:
    call: Any = shell.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    symbols = [SERVICE, f"{SERVICE}.GetEnrollmentGroup", "affilia.enrollment.v1.GetEnrollmentGroupRequest.group_id"]
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol) for symbol in symbols]
    of_service, of_method, of_field = (answer.file_descriptor_response for answer in call(iter(asked), timeout=60))
    assert of_service.file_descriptor_proto
    assert of_method == of_service
    assert of_field.file_descriptor_proto
    unknown = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=f"{SERVICE}.NoSuchMethod")]
    (answer,) = call(iter(unknown), timeout=60)
    assert answer.error_response.error_code == 5


def tool(name: str) -> str:
    """Returns a program that .ci/run installs if there is Go, and skips the test if it is missing."""
    found = shutil.which(name) or shutil.which(name, path=ROOT / ".build" / "bin")
    if found is None:
        pytest.skip(f"{name} is not installed (.ci/run installs it)")
    return found


def grpcurl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [tool("grpcurl"), "-plaintext", "-max-time", "60", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_grpcurl_describes_a_method_and_calls_it(shell: Shell) -> None:
    address, method = shell.listener.address, f"{SERVICE}.GetEnrollmentGroup"
    described = grpcurl(address, "describe", method)
    assert described.returncode == 0, described.stderr
    assert "rpc GetEnrollmentGroup" in described.stdout
    listed = grpcurl(address, "list", SERVICE)
    assert method in listed.stdout.split()
    for name in (method, f"{SERVICE}/GetEnrollmentGroup"):
        answered = grpcurl("-d", json.dumps({"group_id": new_id()}), address, name)
        assert answered.returncode == 0, answered.stderr
        assert json.loads(answered.stdout) == {}


def test_ghz_calls_a_method_by_reflection(shell: Shell) -> None:
    command = [tool("ghz"), "--insecure", "--call", f"{SERVICE}.GetEnrollmentGroup", "--total", "50"]
    command += ["--data", json.dumps({"group_id": new_id()}), "--format", "json", shell.listener.address]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["statusCodeDistribution"] == {"OK": 50}
