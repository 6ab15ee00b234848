"""Answers anew: the buttons below an answer, and the edited question."""

from dataclasses import replace

from aiogram import Bot, F, Router
from aiogram.filters import or_f
from aiogram.types import CallbackQuery, Message

from bot import texts
from bot.answering import Answering
from bot.buttons import Again, Continue, Retry, acknowledge, is_offered, is_theirs
from bot.filters import ASK, COMMAND, addressed, from_person, words
from bot.prompts import PhotoTooLarge, edited_prompt
from bot.settings import Settings
from bot.turns import Prompt, Question
from db.queries import StoredTurn

router = Router(name=__name__)
router.edited_message.filter(from_person)
router.callback_query.filter(F.message)


@router.callback_query(Again.filter(), is_offered, is_theirs)
async def regenerate(query: CallbackQuery, callback_data: Again, answering: Answering) -> None:
    """Answer the last question anew, in the place of its answer."""
    turn = await _turn_of(query, callback_data, answering)
    if turn:
        await _answer(query, Question.again(turn), answering)


@router.callback_query(Continue.filter(), is_offered, is_theirs)
async def go_on(query: CallbackQuery, callback_data: Continue, answering: Answering) -> None:
    """Go on with the last answer, where it was cut off."""
    turn = await _turn_of(query, callback_data, answering)
    if turn:
        rest = await answering.conversation.unsent(turn)
        await _answer(query, Question.further(turn, rest), answering)


@router.callback_query(Retry.filter(), is_offered, is_theirs)
async def retry(query: CallbackQuery, callback_data: Retry, answering: Answering) -> None:
    """Ask once more what got no answer, and put that in the place of the excuse."""
    turn = await answering.conversation.last_turn()
    question = await answering.conversation.unanswered(callback_data.update_id)
    if question is None or _is_over(question, turn, answering):
        await _expire(query, turn, answering)
    else:
        await _answer(query, question, answering)


@router.callback_query(
    or_f(Again.filter(), Continue.filter(), Retry.filter()), is_offered, flags={"beside": True}
)
async def not_yours(query: CallbackQuery) -> None:
    """Say whose button it is."""
    await acknowledge(query, texts.NOT_YOURS)


@router.callback_query(flags={"beside": True})
async def too_old(query: CallbackQuery) -> None:
    """Say that a button is too old."""
    await acknowledge(query, texts.EXPIRED)


@router.edited_message(F.text | F.photo | F.rich_message)
async def edit(message: Message, bot: Bot, settings: Settings, answering: Answering) -> None:
    """Answer the last question as it was edited, in the place of its answer or its excuse.

    All other edits mend what is over, and so does one that changes no word.
    """
    question = await _edited(message, answering)
    prompt = await _prompt_of(message, question, bot, settings) if question else None
    if question is None or prompt is None:
        return
    if wait := await answering.count_update():
        await answering.reply.say(texts.too_many_questions(wait))
    else:
        await answering.answer(replace(question, prompt=prompt))


async def _edited(message: Message, answering: Answering) -> Question | None:
    """Return the question that a message asked, if it is the last one."""
    conversation = answering.conversation
    turn = await _begun(answering) or await conversation.last_turn()
    if turn and message.message_id in turn.question.message_ids:
        return Question.again(turn)
    question = await conversation.unanswered()
    is_it = question is not None and question.message_id == message.message_id
    return question if question and is_it and not _is_over(question, turn, answering) else None


async def _prompt_of(
    message: Message, question: Question, bot: Bot, settings: Settings
) -> Prompt | None:
    """Return what a message asks now; None for a command, and where it asks nothing new."""
    text = words(message)
    if COMMAND.match(text) and not ASK.match(text):
        return None
    addressee = await addressed(message, bot, settings)
    try:
        return edited_prompt(question.prompt, message, addressee["text"] if addressee else text)
    except PhotoTooLarge:
        return None


async def _turn_of(
    query: CallbackQuery, data: Again | Continue, answering: Answering
) -> StoredTurn | None:
    """Return the turn to which a button belongs; None, once that is said, if it is too old."""
    if begun := await _begun(answering):
        return begun
    turn = await answering.conversation.last_turn()
    if turn is None or turn.answer.update_id != data.update_id:
        await _expire(query, turn, answering)
        return None
    return turn


async def _begun(answering: Answering) -> StoredTurn | None:
    """Return the turn that an earlier try has begun to change, whatever was asked since."""
    update_id = (answering.delivery.progress or {}).get("turn")
    return None if update_id is None else await answering.conversation.turn(update_id)


def _is_over(question: Question, turn: StoredTurn | None, answering: Answering) -> bool:
    """Tell whether a question was answered since, or its chat went on without it.

    In a group others may have asked meanwhile.
    """
    asked = turn.question.message_ids if turn else ()
    if question.message_id is None or not answering.reply.address.is_private:
        return question.message_id in asked
    return max(asked, default=0) >= question.message_id


async def _expire(query: CallbackQuery, turn: StoredTurn | None, answering: Answering) -> None:
    """Say that a button is too old, and take it away unless its message is the last answer."""
    await acknowledge(query, texts.EXPIRED)
    if query.message and query.message.message_id not in (turn.answer.message_ids if turn else ()):
        await answering.reply.retire(query.message.message_id)


async def _answer(query: CallbackQuery, question: Question, answering: Answering) -> None:
    answering = answering.to(question, query.from_user.id)
    if wait := await answering.count_update():
        await acknowledge(query, texts.too_many_questions(wait))
        return
    await acknowledge(query)
    await answering.answer(question)
