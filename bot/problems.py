"""What can be wrong with the bot, said to the person who runs it, each with its mend."""

from dataclasses import dataclass

from bot.gemini import GeminiError, Kind
from bot.settings import TELEGRAM_API, WHERE_TO_GET_IT, Settings, SettingsError
from bot.urls import shown_url
from db.engine import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and what to do about it; neither has secrets or ends with a full stop."""

    what: str
    mend: str

    def __str__(self) -> str:
        """Return both as one sentence."""
        return f"{self.what}: {self.mend}."

    def error(self) -> SettingsError:
        """Return it as what ends a command."""
        return SettingsError([str(self)])


_BILLING = "or turn on billing for its project at https://aistudio.google.com"
_GEMINI = {
    Kind.KEY_REFUSED: Problem(
        "GEMINI_API_KEY is refused by Google",
        f"{WHERE_TO_GET_IT['GEMINI_API_KEY']}, set it, and start the bot again",
    ),
    Kind.QUOTA_EXHAUSTED: Problem(
        "Today's quota of GEMINI_API_KEY is used up", f"wait until tomorrow, {_BILLING}"
    ),
    Kind.RATE_LIMITED: Problem(
        "Google limits the requests of GEMINI_API_KEY at the moment", f"wait a minute, {_BILLING}"
    ),
    Kind.OVERLOADED: Problem(
        "Gemini is overloaded at the moment", "wait, or set another GEMINI_MODEL_NAME"
    ),
    Kind.TOO_SLOW: Problem(
        "Gemini does not answer in time", "wait, or set a faster GEMINI_MODEL_NAME"
    ),
}
# The driver's errors that say more than that there is no connection
_DATABASE = {
    "InvalidPasswordError": "check the user and the password in it",
    "InvalidAuthorizationSpecificationError": "check the user, the password and sslmode in it",
    "InvalidCatalogNameError": "check the name at its end, or create that database",
    "gaierror": "check the host in it",
    "ConnectionRefusedError": "check host and port in it, and whether the server runs",
    "TimeoutError": "check the host in it, and whether a firewall is in the way",
    "TooManyConnectionsError": "use the address of your host's pooler",
    "SSLCertVerificationError": "check sslmode and sslrootcert in it",
    "ClientConfigurationError": "check its parts: user, host, port and parameters",
    "UnicodeError": "check the host in it",
    "OperationalError": "check that the file and its folder can be written",
    "DatabaseError": "the file is damaged or no database: restore a backup, or name another file",
}


def token_refused() -> Problem:
    """Say that Telegram does not know the token."""
    return Problem(
        "TELEGRAM_BOT_TOKEN is refused by Telegram", WHERE_TO_GET_IT["TELEGRAM_BOT_TOKEN"]
    )


def telegram_unreachable(settings: Settings) -> Problem:
    """Say that Telegram gives no answer, or somebody else one in its place."""
    server = settings.telegram_api_base_url
    if server == TELEGRAM_API:
        return Problem("Telegram cannot be reached", "check the connection, and try again later")
    return Problem(
        f"Telegram cannot be reached at TELEGRAM_API_BASE_URL, {shown_url(server)}",
        "check the address, and whether that server runs",
    )


def lasts(error: GeminiError, settings: Settings) -> bool:
    """Tell whether Gemini gives no answer until somebody changes a setting."""
    wrong_endpoint = error.kind is Kind.UNREACHABLE and settings.google_gemini_base_url
    return bool(wrong_endpoint) or error.kind in {Kind.KEY_REFUSED, Kind.MODEL_UNKNOWN}


def gemini_fails(error: GeminiError, settings: Settings) -> Problem:
    """Say why Gemini gives no answer."""
    endpoint = settings.google_gemini_base_url
    match error.kind:
        case Kind.MODEL_UNKNOWN:
            return Problem(
                f"GEMINI_MODEL_NAME is unknown to Google ({settings.gemini_model_name})",
                "leave it out for the default, or see https://ai.google.dev/gemini-api/docs/models",
            )
        case Kind.UNREACHABLE | Kind.TOO_SLOW | Kind.REJECTED if endpoint:
            return Problem(
                f"Gemini gives no answer ({error}) at GOOGLE_GEMINI_BASE_URL,"
                f" {shown_url(endpoint)}",
                "check the address, or leave it out",
            )
        case Kind.UNREACHABLE:
            return Problem("Gemini cannot be reached", "check the connection, and try again later")
        case kind if kind in _GEMINI:
            return _GEMINI[kind]
    return Problem(
        f"Gemini gives no answer ({error})",
        "look at the key's project at https://aistudio.google.com, and its country's free tier",
    )


def answers_fail(error: Exception, settings: Settings) -> Problem:
    """Say that the last answers all failed, and the last one for this reason."""
    if isinstance(error, GeminiError):
        return gemini_fails(error, settings)
    return Problem(f"The last answers all failed ({type(error).__name__})", "read the bot's log")


def database_unreachable(error: DatabaseUnavailable, settings: Settings) -> Problem:
    """Say why the database gives no connection."""
    return Problem(
        f"{settings.database_variable} leads to no database ({error.reason})",
        _DATABASE.get(error.reason, "check the address, and whether the server runs"),
    )
