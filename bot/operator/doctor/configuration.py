"""The settings: what they allow, and what they leave out."""

from bot.operator.doctor.findings import Finding, fine, note
from bot.operator.problems import Problem
from bot.settings import Settings

CHECK = "settings"


async def check_settings(settings: Settings) -> list[Finding]:
    """Check the settings, including those the operator may have meant to set."""
    findings = [fine(CHECK, "complete")]
    if settings.open_to_everyone:
        what = "Everyone may use this bot, on your key"
        findings.append(note(CHECK, Problem(what, "set ALLOWED_USER_IDS or ALLOWED_CHAT_IDS")))
    if not settings.admin_user_ids:
        what = "Nobody is told when answers begin to fail"
        mend = "set ADMIN_USER_IDS to your id: the bot answers /id with it"
        findings.append(note(CHECK, Problem(what, mend)))
    if not settings.webhook_secret:
        what = "ENABLE_SECURE_WEBHOOK_TOKEN is off: anybody can write in anybody's name"
        mend = "leave it out, then `python -m bot setup`"
        findings.append(note(CHECK, Problem(what, mend)))
    return findings
