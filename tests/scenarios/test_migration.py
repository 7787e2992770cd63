"""A whole migration under writes from both sides, while servers are killed."""

from pathlib import Path

from tests.support.migrating import Migration, Servers, fill_sample_tables
from tests.support.migration_story import Story

POLICIES = 60


def test_nothing_differs_or_is_lost_when_a_country_migrates_under_writes_and_kills(
    own_database_url: str, tmp_path: Path
) -> None:
    fill_sample_tables(own_database_url, POLICIES)
    servers = Servers(tmp_path, own_database_url)
    said: list[str] = []
    try:
        story = Story(Migration(servers), own_database_url, 6, 2, groups_written=50, say=said.append)
        story.play()
    finally:
        servers.stop()
        print(*said, sep="\n")
    assert not story.faults, "\n".join(story.faults)
