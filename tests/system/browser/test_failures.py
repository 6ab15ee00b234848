"""What people see when Telegram or the model fails: each switch of the developer's panel."""

import pytest
from playwright.async_api import expect

from tests.system.browser.screen import BEN, Screen, Visit

QUESTION = "elephants"


async def _switch(screen: Screen, group: str, choice: str) -> None:
    """Choose what fails, and how often, and see that the page says so."""
    await screen.page.get_by_role("tab", name="Switches").click()
    box = screen.page.get_by_role("group", name=group)
    await box.get_by_role("radio", name=choice).check()


async def _fail(screen: Screen, group: str, choice: str) -> None:
    await _switch(screen, group, choice)
    await expect(screen.banner).to_contain_text("On purpose")


async def _mend(screen: Screen) -> None:
    await screen.press("Turn off")
    await expect(screen.banner).to_be_empty()


@pytest.mark.parametrize("choice", ["Overloaded", "Errors"])
async def test_the_model_fails(visit: Visit, choice: str) -> None:
    """People read an excuse, and may try again."""
    screen = await visit(BEN)
    await _fail(screen, "Let the model fail", choice)

    await screen.write(QUESTION)

    answer = await screen.answered()
    await expect(answer).to_contain_text("overloaded at the moment")
    await expect(answer.get_by_role("button", name="Try again")).to_be_visible()


async def test_the_model_is_silent(visit: Visit) -> None:
    """People read an excuse; the button below it asks again when all is well."""
    screen = await visit(BEN)
    await _fail(screen, "Let the model fail", "Silent")

    await screen.write(QUESTION)

    await expect(await screen.answered()).to_contain_text("gave no answer")
    await _mend(screen)
    await screen.press_key("Try again")
    await expect(screen.theirs.last).to_contain_text(f"“{QUESTION}”")


async def test_the_quota_is_used_up(visit: Visit) -> None:
    """People read until when; the next answer ends the alert of the admins."""
    screen = await visit(BEN)
    await _fail(screen, "Let the model fail", "Quota used up")

    await screen.write(QUESTION)

    await expect(await screen.answered()).to_contain_text("try again tomorrow")
    await _mend(screen)
    await screen.write(QUESTION)
    await screen.answered(2)


async def test_the_answer_breaks_off(visit: Visit) -> None:
    """People read what there is, and go on with it."""
    screen = await visit(BEN)
    await _fail(screen, "Let the model fail", "Cut off")

    await screen.write(QUESTION)

    await expect(await screen.answered()).to_contain_text("broke off")
    await _mend(screen)
    await screen.press_key("Continue")
    await expect(screen.page.get_by_role("button", name="Continue")).to_have_count(0)
    await screen.answered(2)


async def test_the_model_is_slow(visit: Visit) -> None:
    """People see that it thinks, read what comes, and can end it."""
    screen = await visit(BEN)
    await _fail(screen, "Let the model fail", "Slow")

    await screen.write(QUESTION)

    await expect(screen.draft).to_contain_text("You wrote")
    await screen.press("Stop")
    await expect(await screen.answered()).to_contain_text("(Stopped.)")


@pytest.mark.parametrize("choice", ["Too many requests", "Errors"])
async def test_telegram_takes_nothing(visit: Visit, choice: str) -> None:
    """No answer comes, and one comes when all is well."""
    screen = await visit(BEN)
    await _fail(screen, "Let Telegram fail", choice)

    await screen.write(QUESTION)

    refused = screen.page.locator(".entry.call .badge.bad")
    await screen.page.get_by_role("tab", name="Journal").click()
    await expect(refused.first).to_be_visible()
    await expect(screen.theirs).to_have_count(0)
    await _mend(screen)
    await expect(await screen.answered()).to_contain_text(f"“{QUESTION}”")


@pytest.mark.parametrize("choice", ["Slow", "Twice"])
async def test_telegram_is_slow_or_repeats_itself(visit: Visit, choice: str) -> None:
    """One answer comes; what is slow may be a draft, which then comes after it."""
    screen = await visit(BEN)
    await _switch(screen, "How often", "The next time only")
    await _switch(screen, "Let Telegram fail", choice)

    await screen.write(QUESTION)

    await expect(screen.theirs).to_contain_text(f"“{QUESTION}”")
    await expect(screen.mine.locator(".meta use")).to_have_attribute("href", "#icon-checks")
    await expect(screen.banner).to_be_empty()
    await expect(screen.theirs).to_have_count(1)


async def test_telegram_hangs_up(visit: Visit) -> None:
    """The bot does not know whether its message arrived: one answer comes, or two.

    What is asked after it is answered after all that is said to it.
    """
    screen = await visit(BEN)
    await _switch(screen, "How often", "The next time only")
    await _switch(screen, "Let Telegram fail", "Cut off")

    await screen.write(QUESTION)

    await expect(screen.theirs.first).to_contain_text(f"“{QUESTION}”")
    await expect(screen.banner).to_be_empty()
    await screen.write("/id")
    await expect(screen.theirs.last).to_contain_text("Your id is")
    assert await screen.theirs.filter(has_text=f"“{QUESTION}”").count() in {1, 2}
