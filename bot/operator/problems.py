"""The problems a bot can have, explained to its operator, each with its remedy."""

from dataclasses import dataclass

from bot.gemini import Feature, GeminiError, Kind
from bot.settings import TELEGRAM_API, WHERE_TO_GET_IT, Settings, SettingsError
from bot.settings.urls import shown_url
from db.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem and its remedy; neither contains secrets or ends with a full stop."""

    what: str
    mend: str

    def __str__(self) -> str:
        """Return the problem and its remedy as one sentence."""
        return f"{self.what}: {self.mend}."

    def error(self) -> SettingsError:
        """Return the problem as the error that ends a command."""
        return SettingsError([str(self)])


_STUDIO = "https://aistudio.google.com"
_BILLING = f"or turn on billing for its project at {_STUDIO}"
_REGIONS = "https://ai.google.dev/gemini-api/docs/available-regions"
_MODELS = "https://ai.google.dev/gemini-api/docs/models"
# Failures that last until someone changes a setting or the account behind it
_LASTING = {Kind.KEY_REFUSED, Kind.MODEL_UNKNOWN, Kind.COUNTRY, Kind.UNPAID, Kind.NO_QUOTA}
# Errors from Google itself
_GEMINI = {
    Kind.KEY_REFUSED: Problem(
        "GEMINI_API_KEY is refused by Google",
        f"{WHERE_TO_GET_IT['GEMINI_API_KEY']}, set it, and start the bot again",
    ),
    Kind.MODEL_UNKNOWN: Problem(
        "GEMINI_MODEL_NAME is unknown to Google ({model})",
        f"leave it out for the default, or see {_MODELS}",
    ),
    Kind.QUOTA_EXHAUSTED: Problem(
        "Today's quota of GEMINI_API_KEY is used up", f"wait until tomorrow, {_BILLING}"
    ),
    Kind.NO_QUOTA: Problem(
        "GEMINI_API_KEY has no quota at all for {model}",
        f"set another GEMINI_MODEL_NAME, {_BILLING}; waiting does not help",
    ),
    Kind.UNPAID: Problem(
        "The credit of GEMINI_API_KEY's project is used up, or its billing is off",
        f"add credit to it, or look at its billing, at {_STUDIO}",
    ),
    Kind.COUNTRY: Problem(
        "Google does not offer the Gemini API in the country of this machine",
        f"run the bot in a region listed at {_REGIONS}, {_BILLING} if only the free tier is"
        " unavailable there",
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
    Kind.UNREACHABLE: Problem(
        "Gemini cannot be reached ({error})", "check the connection, and try again later"
    ),
}
# Errors from the server at GOOGLE_GEMINI_BASE_URL, which may have its own key and models
_DIRECTLY = "leave the address out to ask Google itself"
_ENDPOINT = {
    Kind.KEY_REFUSED: Problem(
        "GEMINI_API_KEY is refused at {endpoint}",
        f"set a key of that server, or {_DIRECTLY} if the key is Google's",
    ),
    Kind.MODEL_UNKNOWN: Problem(
        "GEMINI_MODEL_NAME is unknown ({model}) at {endpoint}",
        f"set a name that this server knows, or {_DIRECTLY}",
    ),
    Kind.QUOTA_EXHAUSTED: Problem(
        "Today's quota of GEMINI_API_KEY is used up at {endpoint}",
        "wait until tomorrow, or raise it there",
    ),
    Kind.NO_QUOTA: Problem(
        "GEMINI_API_KEY has no quota at all for {model} at {endpoint}",
        "set another GEMINI_MODEL_NAME, or ask for a quota there; waiting does not help",
    ),
    Kind.UNPAID: Problem(
        "The credit of GEMINI_API_KEY is used up at {endpoint}", "add credit there"
    ),
    Kind.COUNTRY: Problem(
        "Google does not offer the Gemini API in the country of the server at {endpoint}",
        f"name a server in one of {_REGIONS}",
    ),
    Kind.RATE_LIMITED: Problem(
        "The requests of GEMINI_API_KEY are limited at the moment at {endpoint}",
        "wait a minute, or raise the limit there",
    ),
    Kind.OVERLOADED: Problem(
        "Gemini is overloaded at the moment at {endpoint}",
        f"wait, set another GEMINI_MODEL_NAME, or {_DIRECTLY}",
    ),
    Kind.TOO_SLOW: Problem(
        "There is no answer in time at {endpoint}",
        f"check whether that server runs, or {_DIRECTLY}",
    ),
    Kind.UNREACHABLE: Problem(
        "Gemini gives no answer ({error}) at {endpoint}",
        "check that the address does not end in a version such as v1beta, and that the server"
        f" runs; or {_DIRECTLY}",
    ),
    Kind.REJECTED: Problem(
        "The requests are refused ({error}) at {endpoint}",
        f"check that this server speaks the Gemini API, or {_DIRECTLY}",
    ),
}
# Features a model may lack, and what the bot does without them
_LACKING = {
    Feature.INSTRUCTION: Problem(
        "{model} takes no system instruction",
        "nothing: SYSTEM_INSTRUCTION stands before the first question; or set another"
        " GEMINI_MODEL_NAME",
    ),
    Feature.FUNCTIONS: Problem(
        "{model} calls no functions",
        "nothing: it answers without the time and the weather; or set another GEMINI_MODEL_NAME",
    ),
}
# Driver errors that say more than that there is no connection
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
    "ReadOnlySQLTransactionError": "its server takes no changes: name the one that does",
    "DiskFullError": "free space on its server's disk",
    "OperationalError": "check that the file and its folder can be written, and the disk is not"
    " full",
    "DatabaseError": "the file is damaged or no database: restore a backup, or name another file",
}
_NO_RIGHT = "InsufficientPrivilegeError"


def token_refused() -> Problem:
    """Say that Telegram does not know the token."""
    return Problem(
        "TELEGRAM_BOT_TOKEN is refused by Telegram", WHERE_TO_GET_IT["TELEGRAM_BOT_TOKEN"]
    )


def telegram_unreachable(settings: Settings) -> Problem:
    """Say that Telegram does not answer, or that another server answers in its place."""
    server = settings.telegram_api_base_url
    if server == TELEGRAM_API:
        return Problem("Telegram cannot be reached", "check the connection, and try again later")
    return Problem(
        f"Telegram cannot be reached at TELEGRAM_API_BASE_URL, {shown_url(server)}",
        "check the address, and whether that server runs",
    )


def lasts(error: GeminiError, settings: Settings) -> bool:
    """Tell whether Gemini will not answer until someone changes a setting."""
    wrong_endpoint = error.kind is Kind.UNREACHABLE and settings.google_gemini_base_url
    return bool(wrong_endpoint) or error.kind in _LASTING


def gemini_fails(error: GeminiError, settings: Settings) -> Problem:
    """Say why Gemini does not answer."""
    server = settings.google_gemini_base_url
    problem = (_ENDPOINT if server else _GEMINI).get(error.kind) or Problem(
        "Gemini gives no answer ({error})",
        f"look at the key's project at {_STUDIO}, and its country's free tier",
    )
    endpoint = f"GOOGLE_GEMINI_BASE_URL, {shown_url(server)}" if server else ""
    model = settings.gemini_model_name
    return Problem(problem.what.format(model=model, error=error, endpoint=endpoint), problem.mend)


def model_lacks(features: Feature, model: str) -> list[Problem]:
    """Name the features a model does not support, and is therefore asked without."""
    return [
        Problem(problem.what.format(model=model), problem.mend)
        for feature, problem in _LACKING.items()
        if feature in features
    ]


def answers_fail(error: Exception, settings: Settings) -> Problem:
    """Say that the latest answers have all failed, and why the last one did."""
    if isinstance(error, GeminiError):
        return gemini_fails(error, settings)
    return Problem(f"The last answers all failed ({type(error).__name__})", "read the bot's log")


def database_unreachable(error: DatabaseUnavailable, settings: Settings) -> Problem:
    """Say why the database cannot be reached, or fails to do its work."""
    if not error.refuses:
        return Problem(
            f"{settings.database_variable} leads to no database ({error.reason})",
            _DATABASE.get(error.reason, "check the address, and whether the server runs"),
        )
    return Problem(
        f"The database of {settings.database_variable} refuses its work ({error.reason})",
        "grant its user all rights to its tables"
        if error.reason == _NO_RIGHT
        else "a table or a column is missing: wait for the end of the restore, if one is running,"
        " or restore a backup",
    )
