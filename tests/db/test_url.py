"""Every form of a database URL that people have works, or is refused with a sentence."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import URL

from db.engine import open_engine
from db.settings import DatabaseSettings, explain
from db.url import DatabaseUrlError, connect_arguments, parse_url

PASSWORD = "hush-hush"

Set = Callable[..., None]


@pytest.fixture(autouse=True)
def set_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Set:
    """Work in an empty folder without database variables; set those that a test gives."""
    monkeypatch.chdir(tmp_path)
    for name in ("SQLALCHEMY_DATABASE_URI", "DATABASE_URL", "POSTGRES_URL"):
        monkeypatch.delenv(name, raising=False)

    def set_them(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_them


def arguments_of(url: str) -> dict[str, Any]:
    """Return what the driver is called with."""
    rest, arguments = connect_arguments(parse_url(url))
    _, from_url = rest.get_dialect()().create_connect_args(rest)
    return {**arguments, **from_url}


def written(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.mark.parametrize(
    "scheme",
    [
        "postgres",
        "postgresql",
        "postgresql+psycopg2",
        "postgresql+psycopg",
        "postgresql+asyncpg",
        "postgres+asyncpg",
    ],
)
def test_every_postgresql_scheme_means_asyncpg(scheme: str) -> None:
    """Whatever driver a URL names, ours is used and all else stays."""
    url = parse_url(f"  {scheme}://me:{PASSWORD}@host:5433/name\n")
    assert written(url) == f"postgresql+asyncpg://me:{PASSWORD}@host:5433/name"


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ("sqlite:///db.sqlite", "db.sqlite"),
        ("sqlite:////data/db.sqlite", "/data/db.sqlite"),
        ("sqlite+aiosqlite:///db.sqlite", "db.sqlite"),
        ("sqlite+pysqlite:///some/db.sqlite?timeout=5", "some/db.sqlite"),
    ],
)
def test_every_sqlite_url_means_aiosqlite(given: str, file: str) -> None:
    """SQLite is opened by aiosqlite, relative to the working directory or absolute."""
    url = parse_url(given)
    assert (url.drivername, url.database, url.query) == ("sqlite+aiosqlite", file, {})


@pytest.mark.parametrize(
    ("given", "password"),
    [
        ("p%40ss", "p@ss"),
        ("p@ss", "p@ss"),
        ("p@s%40s", "p@s@s"),
        ("100%", "100%"),
        ("100%25", "100%"),
        ("a:b", "a:b"),
        ("a%2Fb", "a/b"),
    ],
)
def test_a_password_may_have_any_character(given: str, password: str) -> None:
    """Characters that mean something in a URL are understood, quoted or not."""
    arguments = arguments_of(f"postgresql://me:{given}@host/name")
    assert (arguments["password"], arguments["host"]) == (password, "host")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "not a database URL"),
        ("db.sqlite", "not a database URL"),
        (f"postgresql://me:{PASSWORD}@host:port/name", "not a database URL"),
        (f"postgresql://me:{PASSWORD}@x/y@host/name", "write @ as %40"),
        (f"mysql://me:{PASSWORD}@host/name", "Only PostgreSQL and SQLite"),
        (f"mssql+pyodbc://me:{PASSWORD}@host/name", "Only PostgreSQL and SQLite"),
        ("sqlite://", "plain file"),
        ("sqlite:///:memory:", "plain file"),
        ("sqlite:///file:db.sqlite?uri=true", "plain file"),
        ("sqlite:///db?mode=memory", "plain file"),
        ("sqlite://db.sqlite", "three slashes"),
        (f"postgresql://me:{PASSWORD}@host/name?sslmode=maybe", "sslmode must be one of"),
        (f"postgresql://me:{PASSWORD}@host/name?sslrootcert=gone.pem", "gone.pem"),
        (f"postgresql://me:{PASSWORD}@host/name?connect_timeout=soon", "connect_timeout"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(
    given: str, reason: str, set_variables: Set
) -> None:
    """The settings refuse the URL, say why and under which name, and keep the password."""
    with pytest.raises(DatabaseUrlError, match=reason) as refusal:
        parse_url(given)
    assert PASSWORD not in str(refusal.value)
    if not given:
        return
    set_variables(POSTGRES_URL=given)
    with pytest.raises(ValidationError) as error:
        DatabaseSettings()
    assert PASSWORD not in str(error.value)
    assert PASSWORD not in explain(error.value)
    assert explain(error.value).startswith("POSTGRES_URL: ")
    assert reason in explain(error.value)


def test_the_parameters_of_hosts_and_poolers_are_understood() -> None:
    """Neon's, Supabase's and libpq's parameters become what asyncpg takes, or nothing."""
    arguments = arguments_of(
        f"postgres://me:{PASSWORD}@host/name?sslmode=require&channel_binding=require"
        "&pgbouncer=true&connect_timeout=7&application_name=bot&options=-csearch_path%3Dmine"
    )
    assert arguments == {
        "host": "host",
        "user": "me",
        "password": PASSWORD,
        "database": "name",
        "ssl": "require",
        "timeout": 7.0,
        "server_settings": {"application_name": "bot", "options": "-csearch_path=mine"},
        "statement_cache_size": 0,
    }


def test_without_a_time_out_connecting_ends_after_ten_seconds() -> None:
    """Libpq's 0, for ever, is not taken over."""
    assert arguments_of("postgresql://host/name")["timeout"] == 10
    assert arguments_of("postgresql://host/name?connect_timeout=0")["timeout"] == 10


def test_unknown_parameters_are_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the names of the parameters, and not their values."""
    arguments = arguments_of(f"postgresql://host/name?schema=public&token={PASSWORD}&pgbouncer=1")
    assert arguments.keys() == {"host", "database", "timeout", "statement_cache_size"}
    assert [record.getMessage().split(": ")[1] for record in caplog.records] == ["schema, token"]
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
def test_modes_without_verification_are_asyncpgs(mode: str) -> None:
    """Asyncpg knows these modes by libpq's names, also under the name `ssl`."""
    assert arguments_of(f"postgresql://host/name?sslmode={mode}")["ssl"] == mode
    assert arguments_of(f"postgresql+asyncpg://host/name?ssl={mode}")["ssl"] == mode


@pytest.mark.parametrize(
    ("query", "checks_name"),
    [
        ("sslmode=verify-full", True),
        ("sslmode=verify-full&sslrootcert=system", True),
        ("sslmode=verify-full&sslrootcert={root}", True),
        ("sslmode=verify-ca&sslrootcert={root}", False),
        ("sslmode=require&sslrootcert={root}", False),
    ],
)
def test_verification_takes_a_context(query: str, *, checks_name: bool, tmp_path: Path) -> None:
    """The certificate is verified, with verify-full also the host's name."""
    root = tmp_path / "root.pem"
    root.write_text("".join(map(ssl.DER_cert_to_PEM_cert, _some_certificates())))
    context = arguments_of(f"postgresql://host/name?{query.format(root=root)}")["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname is checks_name


def _some_certificates() -> list[bytes]:
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    return context.get_ca_certs(binary_form=True)[:1]


async def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """The sentence names the file, not what the library says of it."""
    root = tmp_path / "root.pem"
    root.write_text("nothing")
    with pytest.raises(DatabaseUrlError, match=r"not a certificate file: .*root\.pem"):
        async with open_engine(f"postgresql://host/name?sslmode=verify-ca&sslrootcert={root}"):
            pass


@pytest.mark.parametrize(
    "given",
    [
        "postgresql:///name?host=/run/postgresql&port=5433",
        "postgresql://%2Frun%2Fpostgresql/name?port=5433",
        "postgresql:///?dbname=name&host=/run/postgresql&port=5433",
    ],
)
def test_unix_sockets_are_kept(given: str) -> None:
    """A folder in the place of the host is where the socket lies."""
    arguments = arguments_of(given)
    assert arguments["host"] == "/run/postgresql"
    assert (arguments["port"], arguments["database"]) == (5433, "name")


def test_credentials_may_stand_in_the_query() -> None:
    """Libpq allows user and password as parameters, and so do we."""
    arguments = arguments_of(f"postgresql://host/name?user=me&password={PASSWORD}")
    assert (arguments["user"], arguments["password"]) == ("me", PASSWORD)


def test_parsing_twice_changes_nothing() -> None:
    """A parsed URL can be parsed again: each entry to the database does so."""
    url = parse_url(
        f"postgres://me:{PASSWORD}@host/name?sslmode=require&connect_timeout=5&options=-cx%3D1"
    )
    assert parse_url(url) == parse_url(written(url)) == url


def test_the_first_variable_wins(set_variables: Set, caplog: pytest.LogCaptureFixture) -> None:
    """The old name wins over the hosts' names; one that differs is a warning without values."""
    set_variables(
        POSTGRES_URL=f"postgres://me:{PASSWORD}@third/name",
        DATABASE_URL=f"postgres://me:{PASSWORD}@second/name",
        SQLALCHEMY_DATABASE_URI=f"postgres://me:{PASSWORD}@first/name",
    )
    settings = DatabaseSettings()
    assert settings.database_url.host == "first"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "SQLALCHEMY_DATABASE_URI is used; DATABASE_URL and POSTGRES_URL differs")
    ]
    assert PASSWORD not in repr(settings) + str(settings)


@pytest.mark.parametrize("name", ["SQLALCHEMY_DATABASE_URI", "DATABASE_URL", "POSTGRES_URL"])
def test_each_variable_is_enough(
    name: str, set_variables: Set, caplog: pytest.LogCaptureFixture
) -> None:
    """Any of the three names the database; blank ones do not count, and nothing is warned of."""
    others = {"SQLALCHEMY_DATABASE_URI": " ", "DATABASE_URL": "", "POSTGRES_URL": "\n"}
    set_variables(**(others | {name: " postgres://host/name "}))
    assert DatabaseSettings().database_url.host == "host"
    assert not caplog.records


def test_equal_variables_are_no_warning(
    set_variables: Set, caplog: pytest.LogCaptureFixture
) -> None:
    """Hosts set several names to the same database."""
    set_variables(DATABASE_URL="postgres://host/name", POSTGRES_URL="postgres://host/name\n")
    assert DatabaseSettings().database_url.host == "host"
    assert not caplog.records


def test_an_unused_variable_may_be_wrong(set_variables: Set) -> None:
    """What is not used is not refused."""
    set_variables(DATABASE_URL="postgres://host/name", POSTGRES_URL="mysql://host/name")
    assert DatabaseSettings().database_url.host == "host"


def test_the_file_of_settings_is_read(tmp_path: Path, set_variables: Set) -> None:
    """`.env` is read; the environment comes before it."""
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://file/name\nOTHER=1\n")
    assert DatabaseSettings().database_url.host == "file"
    set_variables(DATABASE_URL="postgres://environment/name")
    assert DatabaseSettings().database_url.host == "environment"


def test_without_settings_it_is_a_file() -> None:
    """The default is an SQLite file in the working directory."""
    assert written(DatabaseSettings().database_url) == "sqlite+aiosqlite:///db.sqlite"


@pytest.mark.parametrize("configured", [{}, {"SQLALCHEMY_DATABASE_URI": "sqlite:///db.sqlite"}])
def test_flasks_file_is_found(
    configured: dict[str, str],
    tmp_path: Path,
    set_variables: Set,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where only the old bot's file is there it is used, which is said; else ours is."""
    set_variables(**configured)
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance/db.sqlite").touch()
    assert DatabaseSettings().database_url.database == "instance/db.sqlite"
    assert "instance/db.sqlite is used" in caplog.text
    (tmp_path / "db.sqlite").touch()
    assert DatabaseSettings().database_url.database == "db.sqlite"


def test_flasks_file_is_not_taken_for_another(tmp_path: Path, set_variables: Set) -> None:
    """Who names another file gets that one."""
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance/db.sqlite").touch()
    set_variables(DATABASE_URL="sqlite:///other.sqlite")
    assert DatabaseSettings().database_url.database == "other.sqlite"


def test_a_missing_folder_is_a_sentence(tmp_path: Path, set_variables: Set) -> None:
    """SQLite makes files, not folders."""
    set_variables(DATABASE_URL="sqlite:///data/db.sqlite")
    with pytest.raises(ValidationError) as error:
        DatabaseSettings()
    folder = tmp_path / "data"
    sentence = f"DATABASE_URL: The folder of the SQLite file does not exist: {folder}"
    assert explain(error.value) == sentence
