"""The revisions that the code knows are those of the scripts."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from db.engine import open_engine
from db.migrate import SCRIPTS, migrate
from db.schema import HEAD, KNOWN_REVISIONS, read_revision


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    """Every revision of the scripts is known, from the first to the newest."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(revisions)) == KNOWN_REVISIONS
    assert scripts.get_heads() == [HEAD]


async def test_a_database_says_its_revision(database_url: str) -> None:
    """A database without tables has no revision, a migrated one the newest."""
    async with open_engine(database_url) as engine:
        assert await read_revision(engine) is None
    await migrate(database_url)
    async with open_engine(database_url) as engine:
        assert await read_revision(engine) == HEAD
