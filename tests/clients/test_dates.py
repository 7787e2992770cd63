"""Days and instants survive the conversion to messages and back."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from google.type.date_pb2 import Date
from hypothesis import given
from hypothesis import strategies as st

from affilia_client.dates import (
    date_from_proto,
    date_to_proto,
    instant_from_proto,
    instant_to_proto,
    span_from_proto,
    span_to_proto,
)


@given(st.dates())
def test_a_day_survives_a_round_trip(day: date) -> None:
    assert date_from_proto(date_to_proto(day)) == day


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_an_instant_survives_a_round_trip(instant: datetime) -> None:
    try:
        stamp = instant_to_proto(instant)
    except ValueError:  # before the year 1 or after 9999, in UTC
        assert instant.year in (1, 9999)
        return
    assert instant_from_proto(stamp) == instant
    assert instant_from_proto(stamp).tzinfo is UTC


@given(st.none() | st.dates(), st.none() | st.dates())
def test_a_span_survives_a_round_trip(first_on: date | None, last_on: date | None) -> None:
    assert span_from_proto(span_to_proto(first_on, last_on)) == (first_on, last_on)


def test_ambiguous_values_are_rejected() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        instant_to_proto(datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)
    with pytest.raises(ValueError, match="must be a date without a time"):
        date_to_proto(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="month"):
        date_from_proto(Date(year=2026))
