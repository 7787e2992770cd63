"""The worked cases: what must come out of contracts, facts and requests, played over the wire.

`make cases` runs this file alone; AFFILIA_CASES names another folder.
"""

import grpc
import pytest

from tests.scenarios.case_files import CaseFile, CaseFormat, case_files, cases_folder, has_calls
from tests.scenarios.enrollment_player import EnrollmentPlayer
from tests.scenarios.ledger_player import LedgerPlayer
from tests.scenarios.premiums_in_process import PremiumsInProcess

CASES = case_files(cases_folder())
WITH_CALLS = [case for case in CASES if has_calls(case)]
LEDGER = [case for case in CASES if case.format == CaseFormat.LEDGER]


@pytest.mark.parametrize("case", WITH_CALLS, ids=lambda case: case.name)
def test_comes_out_as_worked(case: CaseFile, server_channel: grpc.Channel) -> None:
    player = EnrollmentPlayer if case.format == CaseFormat.ENROLLMENT else LedgerPlayer
    mismatches = player(case.content, server_channel).play()
    assert not mismatches, "\n".join([case.content.get("title", case.name), *map(str, mismatches)])


def test_there_are_cases() -> None:
    assert CASES, f"no cases in {cases_folder()}"


@pytest.mark.parametrize("case", LEDGER, ids=lambda case: case.name)
def test_the_premium_engine_comes_out_as_worked(case: CaseFile) -> None:
    """Against the domain alone: computing, reconciling, invoicing."""
    mismatches = PremiumsInProcess(case.content).play()
    assert not mismatches, "\n".join([case.content.get("title", case.name), *map(str, mismatches)])
