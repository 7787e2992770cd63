"""Reflection, as the tool of the README uses it: buf finds and calls every method by it, in both versions."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grpc_reflection.v1alpha import reflection_pb2

from tests.rpc.conftest import PROBE, SERVICE, Shell
from tests.support.calls import new_id

BUF = Path(sys.executable).with_name("buf")
VERSIONS = ["grpc-v1", "grpc-v1alpha"]


def buf_curl(shell: Shell, version: str, path: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", version]
    url = f"http://{shell.listener.address}{path}"
    return subprocess.run([*command, *flags, url], capture_output=True, text=True, timeout=30, check=False)


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
def test_buf_calls_a_method_that_it_knows_only_by_reflection(shell: Shell, version: str) -> None:
    answer = buf_curl(shell, version, f"/{SERVICE}/GetEnrollmentGroup", "-d", json.dumps({"group_id": new_id()}))
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {}


def test_buf_shows_the_violations_of_a_malformed_request(shell: Shell) -> None:
    answer = buf_curl(shell, VERSIONS[0], f"/{SERVICE}/GetEnrollmentGroup", "-d", json.dumps({"group_id": "x"}))
    assert answer.returncode != 0
    assert "google.rpc.BadRequest" in answer.stderr
    assert "is not a UUID" in answer.stderr


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_what_does_not_exist_is_an_answer_and_not_an_error(shell: Shell, version: str) -> None:
    call: Any = shell.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Thing")]
    (answer,) = call(iter(asked), timeout=5)
    assert answer.error_response.error_code == 5
    assert not answer.HasField("file_descriptor_response")
