"""The commands `migration …`, and what other commands say about families that the legacy tables answer for."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.conftest import ServerProcess
from tests.support.command_line import typed
from tests.support.legacy_book import CONTRACT, MAPPED, LegacyBook, a_legacy_book
from tests.support.terminal import Terminal, words_of

SOURCES_DIFFER = 5
CHILD_UNTIL = 30


@pytest.fixture
def own_book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LegacyBook]:
    with a_legacy_book(tmp_path_factory.mktemp("legacy")) as book:
        yield book


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LegacyBook]:
    """A country in DUAL_WRITE. Each test adds its own families."""
    with a_legacy_book(tmp_path_factory.mktemp("legacy")) as book:
        assert book.map().code == 0
        assert book.move("dual-write").code == 0
        yield book


def lines_about(member_id: str, text: str) -> str:
    """Returns the part of a comparison about the group of a primary."""
    parts = re.split(r"^(?=[A-Z]+  family of )", text, flags=re.M)
    return "".join(part for part in parts if f"family of {member_id}" in part)


def born_years_ago(years: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=round(years * 365.25))).isoformat()


def test_a_country_moves_through_all_stages(own_book: LegacyBook) -> None:
    book = own_book
    owner, owner_id = book.user()
    child, _ = book.user(born_years_ago(10))
    book.policy(owner, (owner, "PRIMARY", "ESENCIAL", "2025-03-01", None), (child, "CHILD", "DENTAL", None, None))
    unmapped = book.run("migration", "show")
    assert "ES  no stage" in unmapped.out
    assert "1 policy of contracts that aren't mapped" in unmapped.out
    assert "next step  map a contract" in unmapped.out
    early = book.move("dual-write")
    assert (early.code, "ES has no stage yet" in early.err) == (1, True)

    mapped = book.map()
    assert mapped.code == 0, mapped.err
    assert "Mapped legacy contract 17 of ES: stage TRANSLATE" in mapped.out
    assert "  ESENCIAL is Salud Esencial" in mapped.out
    shown = book.run("migration", "show", "es").out
    for part in (
        "ES  TRANSLATE since ",
        ", by ada (system)",
        "changes    rejected",
        "1 group in the legacy tables, 0 in the core, 0 stale",
        "1 row NO_START: without a first day; ignored",
        f"17 is Seguro de salud ({CONTRACT})",
        "next step  DUAL_WRITE. Requires nothing.",
    ):
        assert part in shown, shown
    refused = book.run("enroll", f"{CONTRACT}/{owner_id}", "--module", "Dental", "--from", "tomorrow")
    assert (refused.code, "MIGRATION_STAGE" in refused.err) == (1, True)

    moved = book.move("dual-write")
    assert "ES is in the stage DUAL_WRITE since " in moved.out
    assert "There is none yet. Run `affilia migration compare ES`." in moved.out
    assert book.run("migration", "compare", "ES").code == SOURCES_DIFFER
    filled = book.run("migration", "backfill", "ES", "--admin", "ada")
    assert filled.code == 0, filled.err
    assert "1 of 1 group done: 1 aligned, 0 written to the legacy tables, 0 failed" in filled.out
    compared = book.run("migration", "compare", "ES")
    assert compared.code == 0, compared.out
    assert "Compared in DUAL_WRITE: 1 group, none differs." in compared.out
    assert "The last one did." in compared.out

    assert book.move("read-core").code == 0
    assert book.run("migration", "compare", "ES").code == 0
    assert "premiums   can be computed" in book.move("core").out
    assert "only Affilia can write the legacy tables" in book.run("migration", "show").out
    without = book.move("retired")
    assert (without.code, "--reason is required" in without.err) == (2, True)
    assert book.move("retired", "--reason", "tables archived").code == 0
    assert "next step  none. The migration has ended." in book.run("migration", "show").out
    back = book.move("core")
    assert (back.code, "STAGE_NOT_ADJACENT" in back.err) == (1, True)
    assert "from the legacy tables" not in book.run("family", f"{CONTRACT}/{owner_id}").out
    gone = book.run("family", f"{CONTRACT}/{owner_id}", "--source", "legacy")
    assert (gone.code, "NO_LEGACY_SOURCE" in gone.err) == (1, True)


def test_a_comparison_shows_days_reasons_and_missing_facts(book: LegacyBook) -> None:
    owner, owner_id = book.user()
    child, child_id = book.user(None)
    grown, grown_id = book.user(born_years_ago(CHILD_UNTIL - 2))
    rows = [(user, "CHILD", "ESENCIAL", "2025-03-01", None) for user in (child, grown)]
    book.policy(owner, (owner, "PRIMARY", "ESENCIAL", "2025-03-01", None), *rows)
    missing = lines_about(owner_id, book.run("migration", "compare", "ES").out)
    assert missing.startswith("MISSING")
    assert f"{child_id} (child) on Salud Esencial would end:" in missing
    assert grown_id not in missing
    assert grown_id in lines_about(owner_id, book.run("migration", "compare", "ES", "--all").out)

    assert book.run("migration", "backfill", "ES").code == 0
    compared = book.run("migration", "compare", "ES", "--contract", "Seguro")
    assert compared.code == SOURCES_DIFFER
    now = lines_about(owner_id, compared.out)
    assert now.startswith("NOW")
    assert re.search(rf"only legacy: {child_id} \(child\) on Salud Esencial, [0-9-]{{10}} to open end", now)
    assert "CHILD_AGE is not satisfied" in now
    assert "A child is under 30" in now
    assert f"unknown: date of birth of {child_id}" in now
    assert grown_id not in now
    assert "isn't stored" in compared.out
    assert grown_id in lines_about(owner_id, book.run("migration", "compare", "ES", "--all").out)

    assert book.run("member", "record", child_id, "born", born_years_ago(10)).code == 0
    later = book.run("migration", "compare", "ES", "--all").out
    assert lines_about(owner_id, later).startswith("LATER")
    assert lines_about(owner_id, book.run("migration", "compare", "ES").out) == ""


def test_a_comparison_as_json_has_one_document_for_each_group_and_one_for_the_result(book: LegacyBook) -> None:
    owner, owner_id = book.user()
    book.policy(owner, (owner, "PRIMARY", "COMPLETA", "2025-03-01", None))
    documents = [json.loads(line) for line in book.run("migration", "compare", "ES", "--json").out.splitlines()]
    own = [each for each in documents if each.get("difference", {}).get("key", {}).get("primary_id") == owner_id]
    assert [each["difference"]["kind"] for each in own] == ["SOURCE_DIFFERENCE_KIND_MISSING"]
    assert documents[-1]["result"]["stage"] == "MIGRATION_STAGE_DUAL_WRITE"
    shown = json.loads(book.run("migration", "show", "ES", "--json").out)
    assert [each["country_code"] for each in shown["migrations"]] == ["ES"]


def test_rows_that_others_change_make_a_group_stale(book: LegacyBook) -> None:
    owner, owner_id = book.user()
    policy = book.policy(owner, (owner, "PRIMARY", "ESENCIAL", "2025-03-01", None))
    book.run("migration", "backfill", "ES")
    book.sql("UPDATE legacy_es.es_enrollment SET end_date = '2026-12-31' WHERE policy_id = %s", policy)
    stale = lines_about(owner_id, book.run("migration", "compare", "ES").out)
    assert stale.startswith("STALE")
    assert f"only core: {owner_id} (primary) on Salud Esencial, 2027-01-01 to open end" in stale
    assert " 1 stale" in book.run("migration", "show", "ES").out
    assert "1 aligned" in book.run("migration", "backfill", "ES").out
    assert lines_about(owner_id, book.run("migration", "compare", "ES").out) == ""


def test_a_product_that_is_not_mapped_blocks_its_group(book: LegacyBook) -> None:
    owner, owner_id = book.user()
    policy = book.policy(owner, (owner, "PRIMARY", "SPA", "2025-03-01", None))
    ((row,),) = book.sql("SELECT id FROM legacy_es.es_enrollment WHERE policy_id = %s", policy)
    blocked = lines_about(owner_id, book.run("migration", "compare", "ES").out)
    assert blocked.startswith("BLOCKED")
    assert f"row {row}, PRODUCT_NOT_MAPPED" in blocked
    assert "1 row PRODUCT_NOT_MAPPED: product not mapped" in book.run("migration", "show", "ES").out
    failed = book.run("migration", "backfill", "ES")
    assert (failed.code, "1 failed" in failed.out) == (1, True)
    assert f"the product of row {row} is not mapped to a module" in failed.err
    book.sql("DELETE FROM legacy_es.es_enrollment WHERE id = %s", row)


def test_leaving_out_a_mapped_product_is_confirmed(book: LegacyBook) -> None:
    refused = book.map(ESENCIAL="Salud Esencial", COMPLETA="Salud Completa")
    assert refused.code == 2
    assert "no longer be mapped: DENTAL (Dental)" in " ".join(refused.err.split())
    words = ["migration", "map", "ES", *MAPPED, "--product", "ESENCIAL=Salud Esencial"]
    with Terminal(book.server.address, *words) as terminal:
        terminal.until("Map the contract without them?")
        terminal.press("n\n")
        assert terminal.end() == 1
    shown = book.run("migration", "show").out
    assert "DENTAL is Dental" in shown
    malformed = book.run("migration", "map", "ES", *MAPPED, "--product", "ESENCIAL")
    assert (malformed.code, "--product must be CODE=MODULE" in malformed.err) == (2, True)


def test_a_change_of_the_stage_is_shown_and_confirmed(book: LegacyBook) -> None:
    piped = book.run("migration", "stage", "ES", "translate")
    assert (piped.code, "add --yes" in piped.err) == (2, True)
    with Terminal(book.server.address, "migration", "stage", "ES", "TRANSLATE") as terminal:
        asked = words_of(terminal.until("Move ES to TRANSLATE?").splitlines())
        assert "ES is in the stage DUAL_WRITE:" in asked
        assert "changes written to the core and to the legacy tables" in asked
        assert "In the stage TRANSLATE:" in asked
        assert "changes rejected" in asked
        terminal.press("n\n")
        assert terminal.end() == 1
    assert "ES  DUAL_WRITE" in book.run("migration", "show").out


def test_a_step_that_is_not_ready_says_what_was_found(book: LegacyBook) -> None:
    owner, _ = book.user()
    book.policy(owner, (owner, "PRIMARY", "ESENCIAL", "2025-03-01", None))
    book.run("migration", "compare", "ES")
    refused = book.move("read-core")
    assert (refused.code, "MIGRATION_NOT_READY" in refused.err) == (1, True)
    assert re.search(r"MISSING = [1-9]", refused.err), refused.err
    without = book.move("read-core", "--force")
    assert (without.code, "--reason is required" in without.err) == (2, True)
    assert book.move("elsewhere").code == 2
    assert "translate, dual-write, read-core, core or retired" in " ".join(book.move("elsewhere").err.split())


def test_ctrl_c_says_how_to_resume_a_backfill(book: LegacyBook) -> None:
    owner, owner_id = book.user()
    policy = book.policy(owner, (owner, "PRIMARY", "ESENCIAL", "2025-03-01", None))
    with psycopg.connect(book.url) as other:
        other.execute("SELECT FROM legacy_es.es_policy WHERE id = %s FOR UPDATE", [policy])
        with Terminal(book.server.address, "migration", "backfill", "ES") as terminal:
            terminal.until("0/")
            terminal.press("\x03")
            assert terminal.end() == 1
            text = words_of(terminal.lines)
    (words,) = re.findall(r"To resume, run: affilia (migration backfill ES --request-id [0-9a-f-]{36})", text)
    resumed = book.run(*words.split())
    assert resumed.code == 0, resumed.err
    assert lines_about(owner_id, book.run("migration", "compare", "ES").out) == ""


def test_other_commands_say_that_the_legacy_tables_answer(book: LegacyBook) -> None:
    owner, owner_id = book.user()
    book.policy(owner, (owner, "PRIMARY", "ESENCIAL", "2025-03-01", None))
    family = f"{CONTRACT}/{owner_id}"
    unknown = book.run("family", family, "--source", "core")
    assert (unknown.code, "GROUP_UNKNOWN" in unknown.err) == (1, True)
    enrolled = book.run("enroll", family, "--module", "Dental", "--from", "2027-01-01")
    assert enrolled.code == 0, enrolled.err
    assert f"+ {owner_id} gains Dental from 2027-01-01 on" in enrolled.out
    group_id = book.group_id(owner_id)
    for words, text in (
        (["family", family], f"group {group_id}, from the legacy tables"),
        (["family", family, "--source", "core"], f"group {group_id}, revision 2"),
        (["family", family, "--source", "core", "--revision", "1"], f"group {group_id}, revision 1"),
        (["groups", "--primary", owner_id], "legacy"),
        (["groups", "--primary", owner_id, "--source", "core"], " 2"),
        (["member", "show", owner_id], f"group {group_id}, from the legacy tables"),
        (["why", owner_id], "covered by Salud Esencial, "),
        (["why", owner_id], ", from the legacy tables"),
        (["explain", "coverage", owner_id], f"group {group_id}, from the legacy tables"),
        (["why", family, "--revision", "1"], "taken over from the legacy tables of ES"),
    ):
        done = book.run(*words)
        assert (done.code, text in done.out) == (0, True), (words, done.out, done.err)
    history = book.run("family", family, "--revision", "1")
    assert (history.code, "add --source core" in history.err) == (1, True)
    wrong = book.run("family", family, "--source", "both")
    assert (wrong.code, "--source must be legacy or core" in wrong.err) == (2, True)


def test_a_server_without_legacy_tables_says_so(server: ServerProcess) -> None:
    shown = typed(server.address, "migration", "show")
    assert (shown.code, "No country has legacy tables that this server can read" in shown.out) == (0, True)
    for words in (["show", "ES"], ["stage", "ES", "core", "--yes"]):
        refused = typed(server.address, "migration", *words)
        assert (refused.code, "ES has no legacy tables that this server can read" in refused.err) == (1, True)
    compared = typed(server.address, "migration", "compare", "ES")
    assert (compared.code, "NO_LEGACY_SOURCE" in compared.err) == (1, True)
