"""Entities of the sandbox: Telegram's rules in UTF-16 units."""

from typing import Any

import pytest

from bot.sandbox.entities import detect_entities, format_text, utf16_length
from bot.sandbox.parameters import ApiError


def entity(kind: str, offset: int, length: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **fields}


def test_length_counts_utf16_units() -> None:
    """A symbol outside the basic plane counts twice."""
    assert [utf16_length(text) for text in ("", "aé", "👉", "a👉b")] == [0, 2, 2, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/start", [("bot_command", 0, 6)]),
        ("👉 /reset@test_bot now", [("bot_command", 3, 15)]),
        ("hi @test_bot!", [("mention", 3, 9)]),
        ("see https://example.org/a?b=1. Bye", [("url", 4, 25)]),
        ("mail ann@example.org", [("email", 5, 15)]),
        ("#tag and /a", [("hashtag", 0, 4), ("bot_command", 9, 2)]),
        ("and/or a/b word@home #1 //x @ab", []),
    ],
)
def test_detection(text: str, expected: list[tuple[str, int, int]]) -> None:
    """Commands, mentions, addresses and hashtags are marked, and nothing that only looks so."""
    found = [(e["type"], e["offset"], e["length"]) for e in detect_entities(text)]
    assert found == expected


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("bold", "can't parse MessageEntity: expected an Object"),
        ({"offset": 0, "length": 1}, "can't parse MessageEntity: Can't find field \"type\""),
        (entity("shiny", 0, 1), "can't parse MessageEntity: Unsupported type specified"),
        (
            {"type": "bold", "length": 1},
            "can't parse MessageEntity: Can't find field \"offset\"",
        ),
        (
            {"type": "bold", "offset": "0", "length": 1},
            'can\'t parse MessageEntity: Field "offset" must be of type Number',
        ),
        (
            {"type": "bold", "offset": 0, "length": True},
            'can\'t parse MessageEntity: Field "length" must be of type Number',
        ),
        (entity("bold", -1, 1), "receive an entity with incorrect offset -1"),
        (entity("bold", 0, -1), "receive an entity with incorrect length -1"),
        (
            entity("bold", 6, 1),
            "entity begins after the end of the text at UTF-16 offset 6",
        ),
        (
            entity("bold", 3, 3),
            (
                "entity beginning at UTF-16 offset 3 ends after the end of the text "
                "at UTF-16 offset 6"
            ),
        ),
        (
            entity("bold", 1, 1),
            "entity begins in a middle of a UTF-16 symbol at byte offset 4",
        ),
        (
            entity("bold", 2, 1),
            (
                "entity beginning at UTF-16 offset 2 "
                "ends in a middle of a UTF-16 symbol at byte offset 8"
            ),
        ),
        (entity("text_link", 0, 2), "can't parse MessageEntity: Can't find field \"url\""),
        (
            entity("text_link", 0, 2, url=""),
            "entity URL '' is invalid: URL host is empty",
        ),
        (
            entity("text_link", 0, 2, url="ftp://a.com"),
            "entity URL 'ftp://a.com' is invalid: Unsupported URL protocol",
        ),
        (
            entity("text_link", 0, 2, url="nowhere"),
            "entity URL 'nowhere' is invalid: Wrong HTTP URL",
        ),
        (
            entity("text_link", 0, 2, url="http://[a.com"),
            "entity URL 'http://[a.com' is invalid: Wrong HTTP URL",
        ),
        (entity("text_mention", 0, 2), "can't parse MessageEntity: Can't find field \"user\""),
        (
            entity("text_mention", 0, 2, user={}),
            "can't parse MessageEntity: Can't find field \"id\"",
        ),
        (
            entity("custom_emoji", 0, 2, custom_emoji_id="x"),
            "invalid custom emoji identifier specified",
        ),
        (
            entity("date_time", 0, 2),
            "can't parse MessageEntity: Can't find field \"unix_time\"",
        ),
        (
            entity("pre", 0, 2, language=5),
            'can\'t parse MessageEntity: Field "language" must be of type String',
        ),
    ],
)
def test_refused_entities(item: Any, reason: str) -> None:
    """Each malformed entity of a five-unit text is refused in Telegram's words."""
    with pytest.raises(ApiError) as caught:
        format_text("👉👉a", [item])
    assert (caught.value.code, caught.value.description) == (400, f"Bad Request: {reason}")


@pytest.mark.parametrize(
    "item",
    [
        entity("bold", 0, 5),
        entity("pre", 2, 3, language="python"),
        entity("text_link", 0, 2, url="https://example.org/x"),
        entity("text_link", 0, 2, url="example.org"),
        entity("text_link", 0, 2, url="tg://user?id=1"),
        entity("text_mention", 0, 2, user={"id": 1}),
        entity("custom_emoji", 0, 2, custom_emoji_id="5368324170671202286"),
        entity("date_time", 0, 2, unix_time=1),
        entity("expandable_blockquote", 4, 1),
    ],
)
def test_accepted_entities(item: dict[str, Any]) -> None:
    """Well-formed entities pass unchanged and without a violation."""
    assert format_text("👉👉a", [item]) == ("👉👉a", [item], [])


def test_detected_types_are_ignored() -> None:
    """Types that Telegram finds by itself are dropped without complaint."""
    assert format_text("@ann_b", [entity("mention", 0, 6)]) == ("@ann_b", [], [])


def test_empty_entity_is_a_violation() -> None:
    """An entity of no length is dropped and reported."""
    assert format_text("a", [entity("bold", 0, 0)]) == ("a", [], ["empty bold entity"])


def test_entities_over_the_limit_are_dropped_and_reported() -> None:
    """The first hundred entities stay, and one more is reported."""
    items = [entity("bold", offset * 2, 1) for offset in range(101)]
    text = "a " * 100 + "a"
    assert format_text(text, items[:100]) == (text, items[:100], [])
    assert format_text(text, items) == (text, items[:100], ["101 entities: 100 are kept"])


@pytest.mark.parametrize(
    ("items", "violation"),
    [
        ([entity("bold", 0, 3), entity("italic", 2, 3)], "bold and italic overlap partially"),
        ([entity("pre", 0, 5), entity("bold", 1, 2)], "pre contains bold"),
        ([entity("bold", 0, 5), entity("code", 1, 2)], "bold contains code"),
        ([entity("code", 0, 5), entity("bold", 0, 5)], "code contains bold"),
        (
            [entity("blockquote", 0, 5), entity("expandable_blockquote", 1, 2)],
            "blockquote contains",
        ),
        ([entity("code", 0, 5), entity("blockquote", 1, 2)], "code contains blockquote"),
        (
            [
                entity("text_link", 0, 5, url="a.org"),
                entity("text_mention", 1, 2, user={"id": 1}),
            ],
            "text_link contains text_mention",
        ),
    ],
)
def test_forbidden_nesting_is_a_violation(items: list[dict[str, Any]], violation: str) -> None:
    """What the Bot API does not let nest or overlap is reported, in whatever order it comes."""
    for order in (items, items[::-1]):
        (found,) = format_text("abcde", order)[2]
        assert set(violation.split()) <= set(found.split())


@pytest.mark.parametrize(
    "items",
    [
        [entity("bold", 0, 2), entity("italic", 2, 3)],
        [entity("bold", 0, 5), entity("italic", 1, 2)],
        [entity("bold", 0, 5), entity("text_link", 0, 5, url="a.org")],
        [entity("blockquote", 0, 5), entity("pre", 1, 2)],
        [entity("code", 0, 5), entity("blockquote", 0, 5)],
        [entity("blockquote", 0, 5), entity("text_link", 1, 2, url="a.org")],
    ],
)
def test_allowed_nesting(items: list[dict[str, Any]]) -> None:
    """Neighbours, styles around styles and links, and code in quotes are in order."""
    assert format_text("abcde", items)[2] == []


def test_trimming_moves_and_cuts_entities() -> None:
    """White space at the ends goes, and offsets follow; a leading entity keeps its own."""
    items = [entity("bold", 3, 4), entity("italic", 6, 1)]
    assert format_text("\n  abc \n", items) == ("abc", [entity("bold", 0, 3)], [])
    assert format_text("  abc", [entity("bold", 1, 4)]) == (" abc", [entity("bold", 0, 4)], [])


def test_length_limit_counts_after_trimming() -> None:
    """4096 units pass, with white space around them too, and one more does not."""
    assert format_text(f"  {'👉' * 2048}\n", [])[0] == "👉" * 2048
    with pytest.raises(ApiError, match="message is too long"):
        format_text("👉" * 2048 + "a", [])


def test_lone_surrogates_are_refused() -> None:
    """Half a symbol is refused, other unprintable characters are not."""
    assert format_text("a\nb", [])[0] == "a\nb"
    with pytest.raises(ApiError, match="strings must be encoded in UTF-8"):
        format_text("a\ud83d", [])
