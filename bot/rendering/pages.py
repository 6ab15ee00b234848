"""The messages that show an answer: classic ones, or rich ones where those show more."""

from bot.rendering.classic import Piece, append_text, paginate, render
from bot.rendering.rich import RichPiece, append_rich, calls_for_rich, plain_text, render_rich
from bot.settings import Choice

Page = Piece | RichPiece

SIMPLE_UNITS = 1024  # in a message that Telegram may accept after refusing a longer one


def to_pages(markdown: str, choice: Choice, note: str | None = None) -> list[Page]:
    """Return the messages that show an answer, in order, with a note at the end of the last one.

    With "auto", answers that one classic message shows just as well are not rich, since old
    versions of Telegram show nothing of a rich message. If rich messages cannot hold the answer,
    the messages are classic.
    """
    if choice == "on" or (choice == "auto" and calls_for_rich(markdown)):
        pages = _rich(markdown, note)
        return _classic(render(markdown), note) if pages is None else pages
    classic = render(markdown)
    pages = _rich(markdown, note) if choice == "auto" and len(classic) > 1 else None
    return _classic(classic, note) if pages is None else pages


def _rich(markdown: str, note: str | None) -> list[Page] | None:
    pieces = render_rich(markdown)
    if pieces is None:
        return None
    return [*(append_rich(pieces, note) if note else pieces)]


def _classic(pieces: list[Piece], note: str | None) -> list[Page]:
    # The note is rendered separately, as the answer may have broken off inside a code block
    return [*(append_text(pieces, note) if note else pieces)]


def without_rich(pages: list[Page]) -> list[Page]:
    """Return plain messages in place of the rich ones left to send after Telegram refused one."""
    text = "\n\n".join(plain_text(page.blocks) for page in pages if isinstance(page, RichPiece))
    return [*paginate(text)]


def simpler(pages: list[Page]) -> list[Page]:
    """Split classic pages into smaller ones without any formatting."""
    texts = [page.text for page in pages if isinstance(page, Piece)]
    return [piece for text in texts for piece in paginate(text, SIMPLE_UNITS)]


def noted(page: Page, note: str) -> Page:
    """Return a page with a note at its end, or the same page if there is no room for it."""
    if isinstance(page, RichPiece):
        longer: list[Page] = [*append_rich([page], note)]
    else:
        longer = [*append_text([page], note)]
    return longer[0]
