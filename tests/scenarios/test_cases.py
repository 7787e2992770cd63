"""The documented cases, with the expected results of contracts, facts and requests, played over gRPC.

`make cases` runs only this file. Set AFFILIA_CASES to use another folder.
"""

import grpc
import pytest

from tests.scenarios.case_files import CaseFile, CaseFormat, case_files, cases_folder, has_calls, plays_in_process
from tests.scenarios.enrollment_player import EnrollmentPlayer
from tests.scenarios.ledger_player import LedgerPlayer
from tests.scenarios.premiums_in_process import PremiumsInProcess

CASES = case_files(cases_folder())
WITH_CALLS = [case for case in CASES if has_calls(case)]
IN_PROCESS = [case for case in CASES if plays_in_process(case)]


@pytest.mark.parametrize("case", WITH_CALLS, ids=lambda case: case.name)
def test_comes_out_as_worked(case: CaseFile, server_channel: grpc.Channel) -> None:
    player = EnrollmentPlayer if case.format == CaseFormat.ENROLLMENT else LedgerPlayer
    mismatches = player(case.content, server_channel).play()
    assert not mismatches, "\n".join([case.content.get("title", case.name), *map(str, mismatches)])


def test_there_are_cases() -> None:
    assert CASES, f"no cases in {cases_folder()}"


@pytest.mark.parametrize("case", IN_PROCESS, ids=lambda case: case.name)
def test_the_premium_engine_comes_out_as_worked(case: CaseFile) -> None:
    """Plays premium cases against the domain alone: computing, reconciling, invoicing."""
    mismatches = PremiumsInProcess(case.content).play()
    assert not mismatches, "\n".join([case.content.get("title", case.name), *map(str, mismatches)])
