"""Each way in which Gemini fails."""

from tests.support.gemini_server import GeminiServer

RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"


def rate_limited(gemini: GeminiServer) -> None:
    """Let Gemini ask for 40 seconds, which is too long to wait for."""
    details = [{"@type": RETRY_INFO, "retryDelay": "40s"}]
    gemini.refuse(429, status="RESOURCE_EXHAUSTED", details=details)


def quota_exhausted(gemini: GeminiServer) -> None:
    """Let the day's quota be used up."""
    violations = [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]
    details = [{"@type": QUOTA, "violations": violations}]
    gemini.refuse(429, status="RESOURCE_EXHAUSTED", details=details)


def overloaded(gemini: GeminiServer) -> None:
    """Be overloaded each time."""
    for _ in range(3):
        gemini.refuse(503, status="UNAVAILABLE", headers={"Retry-After": "0"})


def key_refused(gemini: GeminiServer) -> None:
    """Know nothing of the key."""
    gemini.refuse(403, status="PERMISSION_DENIED")


def model_unknown(gemini: GeminiServer) -> None:
    """Know no model at all."""
    gemini.models.clear()


def blocked(gemini: GeminiServer) -> None:
    """Refuse to look at the prompt."""
    gemini.block("SAFETY")


def empty(gemini: GeminiServer) -> None:
    """Answer nothing, twice."""
    gemini.empty()
    gemini.empty()


def unreachable(gemini: GeminiServer) -> None:
    """Hang up without an answer each time."""
    for _ in range(6):
        gemini.drop()


def rejected(gemini: GeminiServer) -> None:
    """Find fault with the request."""
    gemini.refuse(400, status="INVALID_ARGUMENT")


def not_offered(gemini: GeminiServer) -> None:
    """Do not serve the country."""
    message = "User location is not supported for the API use."
    gemini.refuse(400, status="FAILED_PRECONDITION", message=message)


def unpaid(gemini: GeminiServer) -> None:
    """Have no credit left."""
    message = (
        "Your prepayment credits are depleted. Please go to AI Studio to manage your billing."
    )
    gemini.refuse(429, message=message)


def no_quota(gemini: GeminiServer) -> None:
    """Let the key ask for nothing of this model."""
    message = "Quota exceeded for metric: free_tier_requests, limit: 0, model: gemini-3.8-flash"
    gemini.refuse(429, message=message)
