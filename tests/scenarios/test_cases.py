"""The worked cases: what must come out of contracts, facts and requests, played over the wire.

`make cases` runs this file alone; AFFILIA_CASES names another folder.
"""

import grpc
import pytest

from tests.scenarios.case_files import CaseFile, CaseFormat, case_files, cases_folder
from tests.scenarios.enrollment_player import EnrollmentPlayer
from tests.scenarios.ledger_player import LedgerPlayer, can_be_played
from tests.scenarios.premiums_in_process import PremiumsInProcess

CASES = case_files(cases_folder())
PLAYED = [case for case in CASES if case.format == CaseFormat.ENROLLMENT or can_be_played(case.content)]


@pytest.mark.parametrize("case", PLAYED, ids=lambda case: case.name)
def test_comes_out_as_worked(case: CaseFile, server_channel: grpc.Channel) -> None:
    player = EnrollmentPlayer if case.format == CaseFormat.ENROLLMENT else LedgerPlayer
    mismatches = player(case.content, server_channel).play()
    assert not mismatches, "\n".join([case.content.get("title", case.name), *map(str, mismatches)])


def test_there_are_cases() -> None:
    assert CASES, f"no cases in {cases_folder()}"


PREMIUMS = [case for case in CASES if case.format == CaseFormat.LEDGER and not can_be_played(case.content)]


@pytest.mark.parametrize("case", PREMIUMS, ids=lambda case: case.name)
def test_the_premium_engine_comes_out_as_worked(case: CaseFile) -> None:
    """Against the domain alone: computing, reconciling, invoicing."""
    mismatches = PremiumsInProcess(case.content).play()
    assert not mismatches, "\n".join([case.content.get("title", case.name), *map(str, mismatches)])
