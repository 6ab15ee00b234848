"""The queue of updates: a bot uses either getUpdates or the webhook at a time."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import RLock
from typing import Final
from urllib.parse import urlsplit

from bot.sandbox.events import Observe, unobserved
from bot.sandbox.guard import is_loopback
from bot.sandbox.parameters import ApiError, Json, bad_request

# Telegram sends these only to bots that ask for them by name.
ON_REQUEST: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
KINDS: Final = ON_REQUEST | {
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection",
    "business_message", "edited_business_message", "deleted_business_messages", "guest_message",
    "inline_query", "chosen_inline_result", "callback_query", "shipping_query",
    "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member",
    "chat_join_request", "chat_boost", "removed_chat_boost", "managed_bot", "subscription",
    "stopped_message_generation",
}  # fmt: skip
# These expire soon, because they belong to what a person sees at the moment.
BRIEF: Final = frozenset({"callback_query", "inline_query", "stopped_message_generation"})
PORTS: Final = frozenset({None, 80, 88, 443, 8443})
BATCH_LIMIT: Final = 100
POLL_LIMIT: Final = 50
CONNECTIONS_LIMIT: Final = 100
CONNECTIONS_DEFAULT: Final = 40

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]*")
_SECRET_LIMIT: Final = 256


class _Poll:
    """A waiting getUpdates call, which any thread can wake."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self.ended_by: str | None = None

    def wake(self) -> None:
        # A closed loop has nothing left to wake.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, until: float) -> bool:
        """Wait until woken; return False if the time is up."""
        try:
            await asyncio.wait_for(self._event.wait(), until - self._loop.time())
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Updates:
    """The updates that wait for the bot, and the ways in which it asks for them."""

    def __init__(
        self,
        lock: RLock,
        report: Callable[[str], None],
        observe: Observe = unobserved,
        *,
        loopback_webhooks: bool,
        first_id: int = 1,
    ) -> None:
        self._lock = lock
        self._observe = observe
        self._report = report
        self._loopback_webhooks = loopback_webhooks
        self._next_id = first_id
        self._queue: list[Json] = []
        self._allowed: list[str] = []
        self._poll: _Poll | None = None
        self.webhook: Json = {}
        self.last_error: Json = {}

    def new(self, kind: str, content: Json) -> Json:
        """Make an update with the next identifier."""
        with self._lock:
            update = {"update_id": self._next_id, kind: content}
            self._next_id += 1
            return update

    def deliver(self, update: Json) -> bool:
        """Queue an update and wake a waiting getUpdates; return False if the bot excludes it."""
        kind = next(name for name in update if name != "update_id")
        with self._lock:
            if not (kind in self._allowed if self._allowed else kind not in ON_REQUEST):
                return False
            self._queue.append(update)
            self._observe({"type": "queue"})
            if self._poll:
                self._poll.wake()
            return True

    def kept(self) -> Json:
        """Return the waiting updates, for `restore`."""
        return {"next_id": self._next_id, "queue": self._queue}

    def restore(self, kept: Json) -> None:
        """Restore the waiting updates, except expired ones; never reuse an identifier."""
        self._next_id = max(self._next_id, kept["next_id"])
        self._queue = [u for u in kept["queue"] if not BRIEF & u.keys()]

    def confirm(self, update_id: int) -> None:
        """Forget an update that the webhook has accepted."""
        with self._lock:
            self._queue = [u for u in self._queue if u["update_id"] != update_id]
            self._observe({"type": "queue"})

    def pending(self) -> list[Json]:
        """Copy the queue."""
        with self._lock:
            return list(self._queue)

    def is_polling(self) -> bool:
        """Tell whether a getUpdates call is waiting."""
        return self._poll is not None

    def end_poll(self, reason: str) -> None:
        """End a waiting getUpdates: with a conflict, or with no updates if the reason is empty."""
        with self._lock:
            if self._poll:
                self._poll.ended_by = reason
                self._poll.wake()

    def get(self, parameters: Json) -> Awaitable[list[Json]]:
        """Answer getUpdates, after up to 50 s of waiting."""
        if self.webhook:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        self.end_poll("terminated by other getUpdates request")
        self._allow(parameters)
        self._confirm(parameters.get("offset", 0))
        limit = min(max(parameters.get("limit", BATCH_LIMIT), 1), BATCH_LIMIT)
        seconds = min(max(parameters.get("timeout", 0), 0), POLL_LIMIT)
        self._poll = poll = _Poll()
        return self._wait(poll, parameters.get("offset", 0), limit, seconds)

    async def _wait(self, poll: _Poll, offset: int, limit: int, seconds: float) -> list[Json]:
        until = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                batch = self._batch(poll, offset, limit)
                if batch or poll.ended_by is not None or not await poll.wait(until):
                    return batch
        finally:
            with self._lock:
                if self._poll is poll:
                    self._poll = None

    def _batch(self, poll: _Poll, offset: int, limit: int) -> list[Json]:
        with self._lock:
            if poll.ended_by:
                raise ApiError(
                    409,
                    f"Conflict: {poll.ended_by}; make sure that only one bot instance is running",
                )
            return [update for update in self._queue if update["update_id"] >= offset][:limit]

    def _confirm(self, offset: int) -> None:
        """Forget the updates an offset confirms: all before it, or all but the last -offset."""
        if offset < 0:
            self._queue = self._queue[offset:]
        else:
            self._queue = [u for u in self._queue if u["update_id"] >= offset]
        if offset:
            self._observe({"type": "fetched"})

    def _allow(self, parameters: Json) -> None:
        if "allowed_updates" not in parameters:
            return
        self._allowed = parameters["allowed_updates"]
        for kind in self._allowed:
            if kind not in KINDS:
                self._report(f"allowed_updates: unknown kind {kind!r}")

    def set_webhook(self, parameters: Json) -> bool:
        """Answer setWebhook; an empty address deletes the webhook."""
        url = parameters.get("url", "")
        if not url:
            return self.delete_webhook(parameters)
        self._check_address(url)
        secret = parameters.get("secret_token", "")
        if len(secret) > _SECRET_LIMIT:
            raise bad_request("secret token is too long")
        if not _SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")
        self._allow(parameters)
        self._drop(parameters)
        self.end_poll("terminated by setWebhook request")
        self.last_error = {}
        self.webhook = {
            "url": url,
            "secret_token": secret,
            "max_connections": self._connections(parameters),
        }
        self._observe({"type": "webhook"})
        return True

    def delete_webhook(self, parameters: Json) -> bool:
        """Answer deleteWebhook."""
        self._drop(parameters)
        self.webhook = {}
        return True

    def webhook_info(self, _: Json) -> Json:
        """Answer getWebhookInfo."""
        info: Json = {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": len(self._queue),
        }
        if self.webhook:
            info["max_connections"] = self.webhook["max_connections"]
            info |= self.last_error
        if self._allowed:
            info["allowed_updates"] = self._allowed
        return info

    def _drop(self, parameters: Json) -> None:
        if parameters.get("drop_pending_updates"):
            self._queue = []

    def _connections(self, parameters: Json) -> int:
        connections = int(parameters.get("max_connections", CONNECTIONS_DEFAULT))
        if not 1 <= connections <= CONNECTIONS_LIMIT:
            self._report(f"max_connections {connections} is not within 1-{CONNECTIONS_LIMIT}")
        return min(max(connections, 1), CONNECTIONS_LIMIT)

    def _check_address(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise bad_request("bad webhook: Wrong URL") from None
        if self._loopback_webhooks and host and is_loopback(host):
            return
        if parts.scheme != "https" or not host:
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if port not in PORTS:
            raise bad_request(
                "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"
            )
