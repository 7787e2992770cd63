"""Writes a release's software bills of materials (CycloneDX) into dist/, one for the server and one for its image.

They list the packages of a lock file with their hashes, and which package requires which. The same commit gives the
same bytes.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import IMAGE_LOCK, REPOSITORY, RUN_LOCK

ROOT = "affilia-server"
OURS = ("affilia-stubs", "affilia-client")
LOCKS = {"affilia-server": RUN_LOCK, "affilia-image": IMAGE_LOCK}
"""The lock of each bill of materials, by the first part of its file name."""

PACKAGE = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9.\-]*)==(?P<version>[^\s;\\]+)(?: ; (?P<marker>[^\\\n]+?))?[ ]\\\n"
    r"(?P<hashes>(?:[ ]+--hash=sha256:[0-9a-f]+(?:[ ]\\)?\n)+)"
    r"(?P<via>(?:[ ]+#[^\n]*\n)+)",
    re.MULTILINE,
)
HASH = re.compile(r"sha256:([0-9a-f]{64})")
REQUIRER = re.compile(r"^[ ]+#[ ]+(?:via )?(?!-c |via$)([a-z0-9][a-z0-9.\-]*)", re.MULTILINE)
MARKER = "affilia:environment-marker"


@dataclass(frozen=True, slots=True)
class Locked:
    """A package of a lock file. `marker` is empty if every environment needs it."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    required_by: tuple[str, ...]


def locked_packages(text: str) -> list[Locked]:
    """Returns the packages of a lock file, in its order."""
    return [
        Locked(
            found["name"],
            found["version"],
            found["marker"] or "",
            tuple(sorted(HASH.findall(found["hashes"]))),
            tuple(REQUIRER.findall(found["via"])),
        )
        for found in PACKAGE.finditer(text)
    ]


def bill_of_materials(packages: Iterable[Locked], version: str, required: Iterable[str], made_at: datetime) -> str:
    """Returns the bill as JSON.

    `required` are the packages that every installation needs. All packages that they don't require, directly or not,
    belong to extras and are optional.
    """
    packages = list(packages)
    always = _reachable(packages, required)
    root = _ours(ROOT, version)
    components = {ROOT: root} | {package.name: _component(package, package.name in always) for package in packages}
    ours = [_ours(name, version) for name in OURS]
    bom = Bom(components=[*ours, *(components[package.name] for package in packages)])
    bom.metadata.component = root
    bom.metadata.timestamp = made_at
    bom.register_dependency(root, ours)
    for package in packages:
        for requirer in package.required_by:
            bom.register_dependency(components[requirer], [components[package.name]])
    bom.serial_number = _serial_number(packages, version)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(package: Locked, is_required: bool) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        bom_ref=f"{package.name}=={package.version}",
        purl=PackageURL("pypi", name=package.name, version=package.version),
        scope=ComponentScope.REQUIRED if is_required else ComponentScope.OPTIONAL,
        # One for each file of the release that may be installed.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
        properties=[Property(name=MARKER, value=package.marker)] if package.marker else [],
    )


def _ours(name: str, version: str) -> Component:
    return Component(
        type=ComponentType.APPLICATION if name == ROOT else ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}=={version}",
        purl=PackageURL("pypi", name=name, version=version),
        licenses=[LicenseExpression("Apache-2.0")],
    )


def _reachable(packages: Iterable[Locked], required: Iterable[str]) -> frozenset[str]:
    """Returns the packages that are required, directly or indirectly."""
    found = frozenset(required)
    while True:
        further = found | {package.name for package in packages if not found.isdisjoint(package.required_by)}
        if further == found:
            return found
        found = further


def _serial_number(packages: Iterable[Locked], version: str) -> UUID:
    """Returns an id that depends only on the contents of the bill."""
    return uuid5(NAMESPACE_OID, "\n".join([f"{ROOT}=={version}", *map(repr, packages)]))


def write(dist: Path) -> list[Path]:
    """Writes the bills of the working tree into a folder. Returns their paths."""
    project: Mapping[str, str | list[str]] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    required = [canonicalize_name(Requirement(text).name) for text in project["dependencies"]]
    version = str(project["version"])
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    made_at = datetime.fromtimestamp(int(commit.stdout), UTC)
    dist.mkdir(exist_ok=True)
    written = []
    for name, lock in LOCKS.items():
        path = dist / f"{name}-{version}.cdx.json"
        path.write_text(bill_of_materials(locked_packages(lock.read_text()), version, required, made_at))
        written.append(path)
    return written


def main() -> int:
    """Writes the bills into dist/."""
    for path in write(REPOSITORY / "dist"):
        print(path.relative_to(REPOSITORY))
    return 0


if __name__ == "__main__":
    sys.exit(main())
