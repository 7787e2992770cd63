"""The file and the token file of an export: complete, or not there."""

from pathlib import Path

import pytest

from affilia_cli.local_files import unfinished_file


class Crash(Exception):
    pass


def test_a_file_has_its_name_only_when_it_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "all.834"
    with unfinished_file(path) as file:
        file.text.write("content")
        file.sync()
        assert not path.exists()
        file.move()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("all.834", "content")]


def test_a_failure_between_the_two_moves_keeps_the_old_token(tmp_path: Path) -> None:
    path, token_path = tmp_path / "all.834", tmp_path / "token"
    token_path.write_text("old")
    with pytest.raises(Crash), unfinished_file(path) as file, unfinished_file(token_path) as token_file:
        for each in (file, token_file):
            each.text.write("new")
            each.sync()
        file.move()
        raise Crash
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"all.834": "new", "token": "old"}


def test_a_failure_before_the_moves_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Crash), unfinished_file(tmp_path / "all.834") as file:
        file.text.write("new")
        raise Crash
    assert list(tmp_path.iterdir()) == []
