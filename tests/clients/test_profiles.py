"""Profiles of the command line: server, certificates and token from a file, with the token cached until it expires."""

import base64
import json
import stat
import sys
import time
from pathlib import Path

import pytest
import typer

from affilia_cli.profiles import Profile, config_path, read_profile
from affilia_cli.token_command import token_of
from tests.support.command_line import Typed, typed


def jwt(expires_at: float, number: int = 0) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires_at, "n": number}).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def written(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text)
    return file


def test_a_profile_has_absolute_paths_and_a_command_in_words(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[profiles.prod]\naddress = "affilia:443"\nca = "ca.pem"\ncertificate = "/c.pem"\nkey = "k.pem"\n'
        "token_command = \"vault read -field=token 'a b'\"\n",
    )
    assert read_profile("prod", file) == Profile(
        "prod",
        "affilia:443",
        ca=str(tmp_path / "ca.pem"),
        certificate="/c.pem",
        key=str(tmp_path / "k.pem"),
        token_command=("vault", "read", "-field=token", "a b"),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[profiles", "is not valid TOML"),
        ("", "its profiles are: none"),
        ("profiles = 3", "its profiles are: none"),
        ("[profiles.test]\n[profiles.dev]", "its profiles are: dev, test"),
        ('[profiles.prod]\nadress = "x"', "has unknown keys: adress. Allowed are: address"),
        ("[profiles.prod]\naddress = 3", "address of .* must be a string"),
        ("[profiles.prod]\nplaintext = 1", "plaintext of .* must be true or false"),
        ('[profiles.prod]\nplaintext = true\nca = "x"', "so ca, certificate, key must not be set"),
        ('[profiles.prod]\nkey = "x"', "both certificate and key"),
        ("[profiles.prod]\ntoken_command = [1]", "token_command of"),
        ("[profiles.prod]\ntoken_command = 1", "token_command of"),
        ('[profiles.prod]\ntoken_command = "\'"', "token_command of"),
    ],
)
def test_invalid_profiles_are_reported(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(typer.BadParameter, match=complaint):
        read_profile("prod", written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"none\.toml, which doesn't exist"):
        read_profile("prod", tmp_path / "none.toml")


def test_the_environment_determines_the_file() -> None:
    assert config_path({"AFFILIA_CONFIG": "/a.toml", "XDG_CONFIG_HOME": "/x"}) == Path("/a.toml")
    assert config_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/affilia/config.toml")
    assert config_path({}) == Path.home() / ".config/affilia/config.toml"


def counting(folder: Path, token: str) -> list[str]:
    """Returns a command that prints a token, and writes a line to the file `runs`."""
    return [sys.executable, "-c", f"open({str(folder / 'runs')!r}, 'a').write('.'); print({token!r})"]


def runs(folder: Path) -> int:
    return len((folder / "runs").read_text())


def test_a_token_is_cached_privately_until_it_expires(tmp_path: Path) -> None:
    token = jwt(time.time() + 3600)
    for _ in range(3):
        assert token_of("prod", counting(tmp_path, token), tmp_path / "cache") == token
    assert runs(tmp_path) == 1
    (cached,) = (tmp_path / "cache").iterdir()
    assert (stat.S_IMODE(cached.stat().st_mode), stat.S_IMODE(cached.parent.stat().st_mode)) == (0o600, 0o700)
    cached.write_text(jwt(time.time() + 5, 1))
    assert token_of("prod", counting(tmp_path, token), tmp_path / "cache") == token
    assert runs(tmp_path) == 2


@pytest.mark.parametrize("token", ["opaque", jwt(1.0), "a.b.c"])
def test_a_token_without_a_later_expiry_is_not_cached(tmp_path: Path, token: str) -> None:
    for _ in range(2):
        assert token_of("prod", counting(tmp_path, token), tmp_path / "cache") == token
    assert runs(tmp_path) == 2
    assert not (tmp_path / "cache").exists()


def test_each_profile_and_command_has_its_own_token(tmp_path: Path) -> None:
    first, second = (jwt(time.time() + 3600, number) for number in (1, 2))
    assert token_of("prod", counting(tmp_path, first), tmp_path / "cache") == first
    assert token_of("prod", counting(tmp_path, second), tmp_path / "cache") == second
    assert token_of("test", counting(tmp_path, second), tmp_path / "cache") == second
    assert runs(tmp_path) == 3


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ([sys.executable, "-c", "print('SECRET'); raise SystemExit(3)"], "failed with status 3"),
        ([sys.executable, "-c", "print('SECRET and more')"], "must print one token"),
        ([sys.executable, "-c", "print('')"], "must print one token"),
        ([sys.executable, "-c", "print('SECRET\\u00e9')"], "must print one token"),
        (["/nonexistent/vault"], "could not be run: No such file or directory: /nonexistent/vault"),
    ],
)
def test_a_failed_command_is_reported_without_its_output(tmp_path: Path, command: list[str], complaint: str) -> None:
    with pytest.raises(typer.BadParameter, match=complaint) as failed:
        token_of("prod", command, tmp_path)
    assert "SECRET" not in str(failed.value)


def in_profile(server_address: str, folder: Path, text: str, *words: str) -> Typed:
    """Runs a command with a profile, and with the address of the server on the command line."""
    file = written(folder, text)
    return typed(server_address, *words, AFFILIA_CONFIG=str(file), XDG_CACHE_HOME=str(folder / "cache"))


def test_options_take_precedence_over_a_profile(server_address: str, tmp_path: Path) -> None:
    text = '[profiles.dev]\naddress = "127.0.0.1:1"\nplaintext = true\n'
    done = in_profile(server_address, tmp_path, text, "--profile", "dev", "contracts")
    assert done.code == 0, done.err


def test_a_profile_takes_precedence_over_variables(server_address: str, tmp_path: Path) -> None:
    file = written(tmp_path, f'[profiles.dev]\naddress = "{server_address}"\nplaintext = true\n')
    done = typed_without_address("--profile", "dev", "contracts", file=file)
    assert done.code == 0, done.err
    other = typed_without_address("--profile", "prod", "contracts", file=file)
    assert (other.code, "its profiles are: dev" in other.err) == (2, True)


def typed_without_address(*words: str, file: Path) -> Typed:
    import os
    import subprocess

    from tests.conftest import ROOT

    done = subprocess.run(
        [sys.executable, "-m", "server", *words],
        cwd=ROOT,
        env={**os.environ, "AFFILIA_CONFIG": str(file), "AFFILIA_ADDRESS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Typed(done.returncode, done.stdout, done.stderr)


def test_a_profile_uses_tls_by_default(server_address: str, tmp_path: Path) -> None:
    done = in_profile(server_address, tmp_path, "[profiles.dev]\n", "--profile", "dev", "contracts")
    assert (done.code, done.out) == (1, "")


def test_tokens_are_never_printed(server_address: str, tmp_path: Path) -> None:
    command = json.dumps([sys.executable, "-c", "print('SECRET')"])
    text = f"[profiles.dev]\nplaintext = true\ntoken_command = {command}\n"
    done = in_profile(server_address, tmp_path, text, "--profile", "dev", "doctor")
    assert "SECRET" not in done.out + done.err


def test_shell_completion_is_available() -> None:
    shown = typed("127.0.0.1:1", "--help")
    assert {"--install-completion", "--show-completion", "--version"} <= set(shown.out.split())
    completed = typed("127.0.0.1:1", _AFFILIA_COMPLETE="complete_bash", COMP_WORDS="affilia prem", COMP_CWORD="1")
    assert completed.out.split() == ["premiums"]
