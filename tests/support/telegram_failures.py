"""What Telegram answers where it refuses."""

from bot.sandbox.faults import Refuse

NO_DRAFTS = Refuse(400, "Bad Request: TEXTDRAFT_PEER_INVALID")
