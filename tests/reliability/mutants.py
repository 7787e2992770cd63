"""Seeded faults: small changes to the source, each of which breaks a guarantee and must make a test fail.

A mutant replaces a text that occurs exactly once in a file. If the file changes, `test_every_mutant_can_be_applied`
fails, and the mutant has to be adapted.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: `old` is replaced by `new` in the file at `path`. `test` is a pytest node that must then fail."""

    name: str
    path: str
    old: str
    new: str
    test: str


FEED_FUNCTIONS = "storage/postgres/migrations/versions/0008_instants_and_the_feeds_guards.py"
PREMIUM_LEDGER = "tests/domain/test_premiums.py::TestPremiumLedger"

LOCKS = [
    Mutant(
        "a group is not locked while it is changed",
        "storage/enrollment.py",
        'WHERE group_id = ANY(%(ids)s) ORDER BY group_key FOR NO KEY UPDATE{skip})"',
        'WHERE group_id = ANY(%(ids)s) ORDER BY group_key)"',
        "tests/storage/test_submitting.py::test_two_servers_write_the_same_groups_without_gaps",
    ),
    Mutant(
        "facts are not locked while a group is computed from them",
        "storage/postgres/locks.py",
        "CASE WHEN is_shared THEN pg_try_advisory_xact_lock_shared(key) ELSE",
        "CASE WHEN is_shared THEN true ELSE",
        "tests/storage/test_submitting.py::test_a_lock_of_another_server_delays_only_the_requests_that_need_it",
    ),
    Mutant(
        "usage is not locked while amounts are applied",
        "storage/accumulators.py",
        '" ON CONFLICT (group_id) DO UPDATE SET version = p.version + 1"',
        '" ON CONFLICT (group_id) DO NOTHING"',
        "tests/rpc/test_accumulators.py::test_concurrent_applications_never_exceed_a_limit_and_add_up",
    ),
    Mutant(
        "a lease can be taken while its holder writes",
        "storage/postgres/leases.py",
        "name = %s AND fence = %s FOR KEY SHARE",
        "name = %s AND fence = %s",
        "tests/storage/test_leases.py::test_nobody_takes_a_lease_while_a_fenced_transaction_is_open",
    ),
    Mutant(
        "a holder that was replaced can write",
        "storage/postgres/leases.py",
        "SET holder = %(holder)s, fence = fence + 1,",
        "SET holder = %(holder)s, fence = fence,",
        "tests/storage/test_leases.py::test_a_replaced_holder_cannot_write_and_its_work_is_cancelled",
    ),
]

SEQUENCER = [
    Mutant(
        "two sequencers can append at the same time",
        FEED_FUNCTIONS,
        "SELECT * INTO STRICT head FROM feed_head FOR UPDATE;\n    WITH taken",
        "SELECT * INTO STRICT head FROM feed_head;\n    WITH taken",
        "tests/storage/test_outbox.py",
    ),
    Mutant(
        "events are appended in reverse order",
        FEED_FUNCTIONS,
        "head.position + row_number() OVER (ORDER BY t.event_key)",
        "head.position + row_number() OVER (ORDER BY t.event_key DESC)",
        "tests/storage/test_outbox.py::test_waiting_events_get_positions_in_the_order_in_which_they_were_written",
    ),
    Mutant(
        "a state can be recorded before an instant that was read",
        FEED_FUNCTIONS,
        "transaction_timestamp(), g.reached + interval '1 microsecond',",
        "transaction_timestamp(),",
        "tests/storage/test_instants.py::test_states_recorded_after_the_clock_was_set_back_are_later_than_all_reads",
    ),
]

IDEMPOTENCY = [
    Mutant(
        "a request id can be used for another request",
        "storage/requests.py",
        "is_same = fingerprint in (key.fingerprint, ERASED_FINGERPRINT)",
        "is_same = True",
        "tests/rpc/test_change_requests.py::test_a_request_id_with_other_content_already_exists",
    ),
    Mutant(
        "the response to a change request is not stored",
        "storage/group_writes.py",
        "        self._answers.append(\n",
        "        list[Row]().append(\n",
        "tests/rpc/test_change_requests.py::test_repeating_a_request_returns_the_first_answer_despite_later_changes",
    ),
    Mutant(
        "the response to a write is not found again",
        "storage/requests.py",
        "found[key] = answer if is_same",
        "found[key] = None if is_same",
        "tests/rpc/test_recomputes.py::test_repeating_a_request_returns_the_same_recompute",
    ),
    Mutant(
        "a repeated application is applied again",
        "storage/accumulators.py",
        '" FROM accumulator_application WHERE application_id = %s",\n        [application_id],',
        '" FROM accumulator_application WHERE application_id = %s AND false",\n        [application_id],',
        "tests/rpc/test_accumulators.py::test_repeating_an_application_returns_the_first_answer",
    ),
]

PROJECTION = [
    Mutant(
        "withdrawn days stay in the projection",
        "storage/coverage.py",
        '"DELETE FROM coverage_run WHERE generation = %s AND group_id = ANY(%s)"',
        '"DELETE FROM coverage_run WHERE generation = %s AND group_id = ANY(%s) AND false"',
        "tests/rpc/test_projection.py::test_after_random_histories_the_projection_equals_a_rebuilt_one",
    ),
    Mutant(
        "an older state replaces a newer one",
        "storage/coverage.py",
        '" WHERE p.revision < excluded.revision RETURNING group_id"',
        '" RETURNING group_id"',
        "tests/storage/test_stored_coverage.py::test_an_older_state_never_replaces_a_newer_one",
    ),
    Mutant(
        "a rebuild does not count the differences",
        "storage/coverage.py",
        "FROM ({rows} EXCEPT ALL {rows}) AS d",
        "FROM ({rows} EXCEPT ALL {rows}) AS d WHERE false",
        "tests/rpc/test_projection.py::test_a_rebuild_repairs_damage_and_counts_the_differences",
    ),
    Mutant(
        "the checkpoint is not moved with what was projected",
        "operations/projection.py",
        "moved = Checkpoint(now.generation, message.token, message.position)",
        "moved = Checkpoint(now.generation, now.resume_token, now.position)",
        "tests/rpc/test_projection.py::test_after_a_kill_the_projection_resumes_from_its_checkpoint",
    ),
]

LEDGER = [
    Mutant(
        "a cancelled entry is cancelled again",
        "domain/premiums/ledger.py",
        "            if row.cancels is None and (key, month) not in cancelled:",
        "            if row.cancels is None:",
        PREMIUM_LEDGER,
    ),
    Mutant(
        "an offset owes what its entry owes",
        "domain/premiums/ledger.py",
        "owed_minor=tuple(-owed for owed in entry.owed_minor)",
        "owed_minor=entry.owed_minor",
        PREMIUM_LEDGER,
    ),
    Mutant(
        "all entries of a month have the same version",
        "domain/premiums/ledger.py",
        "versions[month] = versions.get(month, 0) + 1",
        "versions[month] = max(versions.get(month, 0), 1)",
        PREMIUM_LEDGER,
    ),
    Mutant(
        "an invoiced entry can be invoiced again",
        "storage/premiums.py",
        '" AND NOT EXISTS (SELECT FROM premium_invoice_mark k WHERE k.stretch_key = s.stretch_key AND',
        '" AND NOT EXISTS (SELECT FROM premium_invoice_mark k WHERE false AND k.stretch_key = s.stretch_key AND',
        "tests/rpc/test_premiums.py::test_past_months_are_corrected_by_offsets_and_invoiced_entries_stay",
    ),
    Mutant(
        "a reversal takes back the wrong amount",
        "storage/accumulators.py",
        "(of.application_key, e.entry_key, e.code, 0, -e.applied, usage",
        "(of.application_key, e.entry_key, e.code, 0, -e.asked, usage",
        "tests/rpc/test_accumulators.py::test_a_reversal_undoes_exactly_what_was_applied",
    ),
    Mutant(
        "usage is counted twice",
        "storage/accumulators.py",
        '" DO UPDATE SET used = excluded.used",',
        '" DO UPDATE SET used = accumulator_balance.used + excluded.used",',
        "tests/rpc/test_accumulators_model.py::test_accumulators_agree_with_a_simple_model",
    ),
    Mutant(
        "the application's role can change the premium ledger",
        "storage/postgres/privileges.py",
        '"premium_stretch": APPEND,',
        '"premium_stretch": UPDATE,',
        "tests/rpc/test_database_role.py::test_the_application_role_cannot_change_or_remove_records",
    ),
]

MUTANTS = [*LOCKS, *SEQUENCER, *IDEMPOTENCY, *PROJECTION, *LEDGER]
