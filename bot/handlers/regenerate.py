"""Answering again: after a press on a button below an answer, or an edit of the question."""

from contextlib import suppress
from dataclasses import dataclass, replace

from aiogram import Bot, F, Router
from aiogram.filters import or_f
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.answers.responder import Responder
from bot.chat.messages import Question
from bot.chat.prompts import Prompt
from bot.handlers.flags import CONCURRENT
from bot.incoming.attachments import AttachmentTooLarge
from bot.incoming.content_kinds import is_readable
from bot.incoming.filters import ASK, COMMAND, addressed, from_people, words
from bot.incoming.prompts import edited_prompt, to_prompt
from bot.settings import Settings
from bot.telegram.identity import Identity
from bot.telegram.keyboards import Again, Continue, Retry, acknowledge, is_offered, is_theirs
from db.conversations import StoredExchange

router = Router(name=__name__)
router.edited_message.filter(from_people)
router.callback_query.filter(F.message)

YOUNG = 300  # seconds during which an edit may still turn a message into a question


@dataclass(frozen=True, slots=True)
class Said:
    """The text of an edited message without the bot's name, and whether it is for the bot."""

    text: str
    directly: bool


@router.callback_query(Again.filter(), is_offered, is_theirs)
async def regenerate(query: CallbackQuery, callback_data: Again, responder: Responder) -> None:
    """Answer the last question again, in place of its previous answer."""
    exchange = await _exchange_of(query, callback_data, responder)
    if exchange:
        await _answer(query, callback_data, Question.again(exchange), responder)


@router.callback_query(Continue.filter(), is_offered, is_theirs)
async def go_on(query: CallbackQuery, callback_data: Continue, responder: Responder) -> None:
    """Continue the last answer from where it was cut off."""
    exchange = await _exchange_of(query, callback_data, responder)
    if exchange:
        rest = await responder.conversation.unsent(exchange)
        await _answer(query, callback_data, Question.further(exchange, rest), responder)


@router.callback_query(Retry.filter(), is_offered, is_theirs)
async def retry(query: CallbackQuery, callback_data: Retry, responder: Responder) -> None:
    """Ask an unanswered question once more, and put the answer in place of the excuse."""
    exchange = await responder.conversation.last_exchange()
    question = await responder.conversation.unanswered(callback_data.update_id)
    if question is None or _is_over(question, exchange, responder):
        await _expire(query, exchange, responder)
    else:
        await _answer(query, callback_data, question, responder)


@router.callback_query(
    or_f(Again.filter(), Continue.filter(), Retry.filter()), is_offered, flags=CONCURRENT
)
async def not_yours(query: CallbackQuery) -> None:
    """Say whose button it is."""
    await acknowledge(query, texts.NOT_YOURS)


@router.callback_query(flags=CONCURRENT)
async def too_old(query: CallbackQuery) -> None:
    """Say that a button has expired."""
    await acknowledge(query, texts.EXPIRED)


@router.edited_message(is_readable)
async def edit(
    message: Message, bot: Bot, settings: Settings, identity: Identity, responder: Responder
) -> None:
    """Answer the last question as edited, in place of its previous answer or its excuse.

    A message that has only now become a question is answered like any other. An edit of an older
    question is declined once; any other edit, or one that changes no words, is ignored.
    """
    said = await _said(message, bot, settings, identity)
    question = said and await _asked_now(message, said, bot, responder)
    if not question:
        return
    if wait := await responder.count_update():
        await responder.reply.say(texts.too_many_questions(wait))
    else:
        await responder.answer(question)


async def _said(message: Message, bot: Bot, settings: Settings, identity: Identity) -> Said | None:
    """Return the current content of an edited message; None if it is a command."""
    text = words(message)
    addressee = await addressed(message, bot, settings, identity)
    if COMMAND.match(text) and not (addressee and ASK.match(text)):
        return None
    return Said(**addressee) if addressee else Said(text, directly=False)


async def _asked_now(
    message: Message, said: Said, bot: Bot, responder: Responder
) -> Question | None:
    """Return the question that an edited message asks; None if there is nothing to answer."""
    with suppress(AttachmentTooLarge):
        if question := await _edited(message, responder):
            prompt = edited_prompt(question.prompt, message, said.text)
            return replace(question, prompt=prompt) if prompt else None
        if not said.directly:
            return None
        if question := await responder.conversation.asked_by(message.message_id):
            if not question.is_over and edited_prompt(question.prompt, message, said.text):
                await _decline(question, responder)
        elif _is_young(message):
            exchange = await responder.conversation.last_exchange()
            prompt = to_prompt(
                message, said.text, bot.id, exchange.answer.message_ids if exchange else ()
            )
            return Question(prompt, message.message_id) if prompt else None
    return None


async def _edited(message: Message, responder: Responder) -> Question | None:
    """Return the question that a message asked, if it is the last one."""
    conversation = responder.conversation
    exchange = await _begun(responder) or await conversation.last_exchange()
    if exchange and message.message_id in exchange.question.message_ids:
        return Question.again(exchange)
    question = await conversation.unanswered()
    is_it = question is not None and question.message_id == message.message_id
    return question if question and is_it and not _is_over(question, exchange, responder) else None


async def _decline(question: Question, responder: Responder) -> None:
    """Say, once per question, that only the last one is answered again."""
    place = await responder.reply.say(texts.ONLY_THE_LAST)
    told = Question(Prompt(""), question.message_id, is_over=True)
    responder.claim.left = told.to_json(place)


def _is_young(message: Message) -> bool:
    """Tell whether a message was edited soon after it was written.

    An update for a loaded link preview is not an edit.
    """
    edited_at = message.edit_date
    return edited_at is not None and edited_at - message.date.timestamp() <= YOUNG


async def _exchange_of(
    query: CallbackQuery, data: Again | Continue, responder: Responder
) -> StoredExchange | None:
    """Return the exchange a button belongs to; if it has expired, say so and return None."""
    if begun := await _begun(responder):
        return begun
    exchange = await responder.conversation.last_exchange()
    if exchange is None or exchange.answer.update_id != data.update_id:
        await _expire(query, exchange, responder)
        return None
    return exchange


async def _begun(responder: Responder) -> StoredExchange | None:
    """Return the exchange that an earlier attempt began to change, even if it is not the last."""
    update_id = (responder.claim.progress or {}).get("turn")
    return None if update_id is None else await responder.conversation.exchange(update_id)


def _is_over(question: Question, exchange: StoredExchange | None, responder: Responder) -> bool:
    """Tell whether a question has been answered since, or its chat has moved on without it.

    In a group only an answer counts, as other members may have asked meanwhile.
    """
    asked = exchange.question.message_ids if exchange else ()
    if question.message_id is None or not responder.reply.address.is_private:
        return question.message_id in asked
    return max(asked, default=0) >= question.message_id


async def _expire(
    query: CallbackQuery, exchange: StoredExchange | None, responder: Responder
) -> None:
    """Say that a button has expired, and remove it unless its message is the last answer."""
    await acknowledge(query, texts.EXPIRED)
    if query.message and query.message.message_id not in (
        exchange.answer.message_ids if exchange else ()
    ):
        await responder.reply.retire(query.message.message_id)


async def _answer(
    query: CallbackQuery, data: Again | Continue | Retry, question: Question, responder: Responder
) -> None:
    """Count the question for the user who pressed, and answer it with buttons for the asker."""
    if wait := await responder.to(question, query.from_user.id).count_update():
        await acknowledge(query, texts.too_many_questions(wait))
        return
    await acknowledge(query)
    await responder.to(question, data.user_id).answer(question)
