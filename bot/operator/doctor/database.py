"""The database: whether it is reachable, migrated and near, and agrees with this clock."""

from bot.operator.doctor.findings import Finding, fault, fine, note
from bot.operator.problems import Problem, database_unreachable
from bot.settings import Settings
from db.engine import open_engine
from db.errors import DatabaseUnavailable
from db.health import Health, examine
from db.schema import HEAD, is_newer

CHECK = "database"
FAR = 0.05  # seconds for a statement; answering a question takes several statements
SKEW = 30.0  # seconds between the two clocks
BY_ITSELF = "nothing: the bot brings it up to date when it starts"


async def check_database(settings: Settings) -> list[Finding]:
    """Check the database that the settings name."""
    file = settings.database_file
    if file and not file.exists():  # connecting to it would create it
        return [note(CHECK, Problem(f"There is no {file.name} yet", BY_ITSELF))]
    try:
        async with open_engine(settings.database_url) as engine:
            health = await examine(engine)
    except DatabaseUnavailable as error:
        return [fault(CHECK, database_unreachable(error, settings))]
    pooler = ", behind a pooler" if health.pooled else ""
    reached = f"{settings.database_name}{pooler}, {1000 * health.latency:.1f} ms away"
    findings = [fine(CHECK, reached), _revision(health, settings)]
    if health.latency > FAR and not file:
        what = f"The database is far away: {1000 * health.latency:.0f} ms for each statement"
        findings.append(note(CHECK, Problem(what, "let bot and database run in one region")))
    if abs(health.ahead) > SKEW:
        findings.append(_skew(health))
    return findings


def _revision(health: Health, settings: Settings) -> Finding:
    revision = health.revision
    if revision == HEAD:
        return fine(CHECK, f"up to date (revision {HEAD})")
    if is_newer(revision):
        what = f"The database is newer than this bot (revision {revision})"
        return note(CHECK, Problem(what, "update the bot; until then it works with what it knows"))
    state = f"is older than this bot (revision {revision}, not {HEAD})" if revision else "is empty"
    what = f"The database {state}"
    if settings.serverless:
        return fault(CHECK, Problem(what, "run `python -m bot setup`"))
    return note(CHECK, Problem(what, BY_ITSELF))


def _skew(health: Health) -> Finding:
    direction = "ahead of" if health.ahead > 0 else "behind"
    what = f"The database's clock is {abs(health.ahead):.0f} s {direction} this machine's"
    return note("clock", Problem(what, "set both by NTP"))
