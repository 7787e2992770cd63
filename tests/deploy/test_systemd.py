"""The systemd unit: systemd accepts it and rates its exposure as low."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.settings import Settings
from tests.packaging.environments import ROOT, program

UNIT = ROOT / "deploy" / "systemd" / "affilia.service"
MAX_EXPOSURE = 2.0
"""Out of 10. The remaining exposure is the network, which the server needs."""


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "affilia.service"
    text = UNIT.read_text()
    assert "/opt/affilia/bin/affilia" in text
    unit.write_text(text.replace("/opt/affilia/bin/affilia", shutil.which("true") or "/bin/true"))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False, timeout=120)
    about_us = [line for line in done.stderr.splitlines() if "affilia.service" in line]
    assert (done.returncode, about_us) == (0, [])


def test_the_unit_is_hardened() -> None:
    done = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd is too old to rate a unit that isn't loaded")
    found = re.search(r"Overall exposure level for affilia\.service: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MAX_EXPOSURE


def test_the_unit_waits_longer_than_the_server_drains() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.M)
    assert found
    assert int(found[1]) > Settings.model_fields["drain_seconds"].default
