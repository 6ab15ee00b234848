"""What came of it all, by what Telegram was sent and what the database holds."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.system.faults.databases import Rows
from tests.system.faults.journal import MARKER, Journal, Kind, Sent, Update
from tests.system.faults.weather import LINES

NOTE = "(The answer broke off here"  # Gemini's stream was cut: the answer need not be whole
SENTENCE = -1  # stands for the lines of a message that has none
MESSAGES = (
    "SELECT s.chat_id, m.role, m.text FROM chat_message AS m"
    " JOIN chat_session AS s ON s.id = m.chat_id ORDER BY m.id"
)
DONE = "SELECT update_id FROM processed_update WHERE status = 'done'"


@dataclass
class Verdict:
    """Count what went wrong; `evidence` has a line for each case."""

    lost: int = 0
    doubled: int = 0
    unexplained: int = 0  # of the doubled: neither in the window nor unacknowledged
    out_of_order: int = 0
    excused: int = 0  # answered by one of the bot's sentences
    stored_wrongly: int = 0
    not_done: int = 0
    window: int = 0
    uncertain: int = 0
    late_errors: int = 0
    evidence: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Tell whether the bot kept its promise."""
        return (
            not self.evidence
            and not self.late_errors
            and self.doubled <= self.window + self.uncertain
        )


def judge(journal: Journal, messages: Rows, done: Rows, uncertain: int) -> Verdict:
    """Judge a campaign that has come to its end; `uncertain` is what the bot's log counts."""
    verdict = Verdict(
        window=len(journal.window),
        uncertain=uncertain,
        late_errors=journal.late_errors,
        evidence=list(journal.complaints),
    )
    _judge_answers(journal, verdict)
    _judge_order(journal, verdict)
    _judge_messages(journal, messages, verdict)
    ids = {update_id for (update_id,) in done}
    for update in journal.updates:
        if update.id not in ids:
            verdict.not_done += 1
            verdict.evidence.append(f"update {update.id}: not marked as done")
    return verdict


def _judge_answers(journal: Journal, verdict: Verdict) -> None:
    for update in journal.updates:
        answers = sorted(journal.answers(update), key=lambda sent: sent.message_id)
        lines = {line for sent in answers for line in sent.lines}
        if not answers or not _is_whole(update, lines, answers):
            verdict.lost += 1
            verdict.evidence.append(f"update {update.id}: lost; {_describe(answers)}")
        if answers and not lines and update.kind is not Kind.HELP:
            verdict.excused += 1
        _judge_copies(journal, update, answers, verdict)


def _is_whole(update: Update, lines: set[int], answers: Sequence[Sent]) -> bool:
    if update.kind is not Kind.LONG or not lines:
        return True
    return lines == set(range(LINES)) or any(NOTE in sent.text for sent in answers)


def _judge_copies(
    journal: Journal, update: Update, answers: Sequence[Sent], verdict: Verdict
) -> None:
    """Count the messages that say again what was said before."""
    seen: set[int] = set()
    for position, sent in enumerate(answers):
        if sent.text.startswith(NOTE):
            continue
        lines = set(sent.lines) or {SENTENCE}
        if seen & lines or (seen and SENTENCE in seen | lines):
            verdict.doubled += 1
            if not any(_may_repeat(journal, earlier) for earlier in answers[:position]):
                verdict.unexplained += 1
                verdict.evidence.append(f"update {update.id}: doubled; {_describe(answers)}")
        seen |= lines


def _may_repeat(journal: Journal, sent: Sent) -> bool:
    """Tell whether nobody could know that the message had been sent."""
    return (sent.update, sent.life) in journal.window or not sent.acknowledged


def _judge_order(journal: Journal, verdict: Verdict) -> None:
    chats: dict[int, list[Sent]] = defaultdict(list)
    for sent in journal.sent:
        chats[sent.update.chat_id].append(sent)
    for chat in chats.values():
        last = -1
        for sent in sorted(chat, key=lambda sent: sent.message_id):
            if sent.update.position < last:
                verdict.out_of_order += 1
                update = sent.update
                verdict.evidence.append(
                    f"update {update.id}: out of order; {_describe(journal.answers(update))}"
                )
            last = max(last, sent.update.position)


def _judge_messages(journal: Journal, messages: Rows, verdict: Verdict) -> None:
    """Compare the stored conversations with those that Telegram saw."""
    stored: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for chat_id, role, text in messages:
        match = MARKER.search(text)
        stored[chat_id].append((role, int(match[1]) if match else -1))
    for chat_id, rows in stored.items():
        questions = [number for role, number in rows if role == "user"]
        pairs = [(role, number) for number in questions for role in ("user", "model")]
        if rows != pairs or questions != sorted(set(questions)):
            verdict.stored_wrongly += 1
            verdict.evidence.append(f"chat {chat_id}: stored out of order or twice: {rows}")
    kept = {number for rows in stored.values() for _, number in rows}
    for update in journal.updates:
        answers = journal.answers(update)
        read = any(sent.lines for sent in answers)
        excused = any(not sent.lines for sent in answers)
        # Of two tries the second may have ended with a sentence, which is not stored
        if (update.number in kept) != read and not (read and excused):
            verdict.stored_wrongly += 1
            verdict.evidence.append(
                f"update {update.id}: {'not ' if read else ''}stored; {_describe(answers)}"
            )


def _describe(answers: Sequence[Sent]) -> str:
    return ", ".join(
        f"message {sent.message_id} by {sent.life.process}.{sent.life.number}"
        f" ({'lines' if sent.lines else 'a sentence'}"
        f"{'' if sent.acknowledged else ', unacknowledged'})"
        for sent in answers
    )
