"""The committed code, the protos and the server's table of errors say the same."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2

from amplifier_swarm.v1 import worker_service_pb2
from amplifier_swarm.v1.error_reason_pb2 import ErrorReason
from contract.repository import ROOT, files
from swarmd.rpc import status

BUF = Path(sys.executable).with_name("buf")
PREFIX = "ERROR_REASON_"
PROTOS = [path for path in files("protos") if path.suffix == ".proto"]
SERVICES = [path for path in PROTOS if path.stem.endswith("_service")]


def module_of(proto: Path, suffix: str) -> str:
    name = proto.relative_to(ROOT / "protos").with_suffix("")
    return ".".join(name.parts) + suffix


def without_json_names(
    file: descriptor_pb2.FileDescriptorProto,
) -> descriptor_pb2.FileDescriptorProto:
    """Removes the fields that buf writes out and protoc leaves to be derived."""

    def strip(messages: list[descriptor_pb2.DescriptorProto]) -> None:
        for message in messages:
            for field in message.field:
                field.ClearField("json_name")
            strip(list(message.nested_type))

    strip(list(file.message_type))
    return file


@pytest.fixture(scope="module")
def described() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Returns the present .proto files, as buf reads them, by import path."""
    command = [str(BUF), "build", "--as-file-descriptor-set", "--exclude-source-info", "-o", "-"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return {
        file.name: without_json_names(file)
        for file in descriptor_pb2.FileDescriptorSet.FromString(built.stdout).file
    }


@pytest.mark.parametrize("proto", PROTOS, ids=lambda path: path.stem)
def test_the_committed_messages_are_those_of_the_proto(
    proto: Path, described: dict[str, descriptor_pb2.FileDescriptorProto]
) -> None:
    """If they are not: `make protos`. (`make check-protos` compares comments and stubs as well.)"""
    committed = descriptor_pb2.FileDescriptorProto()
    importlib.import_module(module_of(proto, "_pb2")).DESCRIPTOR.CopyToProto(committed)

    assert without_json_names(committed) == described[committed.name]


@pytest.mark.parametrize("proto", SERVICES, ids=lambda path: path.stem)
def test_the_committed_stubs_have_the_methods_of_the_proto(
    proto: Path, described: dict[str, descriptor_pb2.FileDescriptorProto]
) -> None:
    file = described[proto.relative_to(ROOT / "protos").as_posix()]
    expected = {
        f"/{file.package}.{service.name}/{method.name}"
        for service in file.service
        for method in service.method
    }

    code = Path(str(importlib.import_module(module_of(proto, "_pb2_grpc")).__file__)).read_text()

    assert set(re.findall(rf"'(/{re.escape(file.package)}\.\w+/\w+)'", code)) == expected


def documented_codes() -> dict[str, str]:
    """The status code that each reason's comment names."""
    text = (ROOT / "protos/amplifier_swarm/v1/error_reason.proto").read_text()
    flat = re.sub(r"\n\s*//", "", text)
    found = re.findall(rf"Code `(\w+)`[^;]*?\n\s*{PREFIX}(\w+) = \d+;", flat)
    return {reason: code for code, reason in found}


def test_every_reason_but_unspecified_names_its_code() -> None:
    named = {name.removeprefix(PREFIX) for name in ErrorReason.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}

    assert set(documented_codes()) == named


def test_the_servers_table_has_every_reason_with_the_code_that_the_proto_names() -> None:
    table = {error.reason: code.name for error, code in status.TABLE.items()}

    assert table == documented_codes()


def test_no_two_errors_share_a_reason() -> None:
    reasons = [error.reason for error in status.TABLE]

    assert len(reasons) == len(set(reasons))


def test_no_error_is_reported_as_success() -> None:
    assert grpc.StatusCode.OK not in status.TABLE.values()


def test_d11_nothing_that_a_worker_is_told_names_a_process() -> None:
    """Whom to end is for the worker to know: a number from elsewhere may have become another's."""
    methods = worker_service_pb2.DESCRIPTOR.services_by_name["WorkerService"].methods
    told = {field for method in methods for field in _fields(method.output_type, set())}

    assert {"orders", "lease_id", "action"} <= told
    assert not {name for name in told if re.search(r"(^|_)p?g?(pid|process)", name)}


def _fields(message: Any, seen: set[str]) -> set[str]:
    """The names of all fields of a message and of what is in it."""
    if message.full_name in seen:
        return set()
    seen.add(message.full_name)
    inner = [_fields(field.message_type, seen) for field in message.fields if field.message_type]
    return {field.name for field in message.fields}.union(*inner)
