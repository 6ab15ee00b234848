"""All of it without a mouse."""

from playwright.async_api import Page, expect

from tests.system.browser.screen import ANN, BEN, Screen, Visit

OUTLINE = "getComputedStyle(document.activeElement).outlineStyle"


async def _tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until what bears a name has the focus, which can be seen all the way."""
    for _ in range(40):
        await page.keyboard.press(key)
        label = await page.evaluate(
            "document.activeElement.ariaLabel ?? document.activeElement.innerText"
        )
        if label.startswith(name):
            assert await page.evaluate(OUTLINE) != "none"
            return
    raise AssertionError(f"{name} cannot be reached by {key}")


async def test_a_conversation(visit: Visit) -> None:
    """Write, walk over the messages, reply, edit, choose a command."""
    screen = await visit()
    keyboard = screen.page.keyboard
    await keyboard.type("/id")
    await keyboard.press("Shift+Enter")
    await keyboard.type("second line")
    await keyboard.press("Enter")
    await screen.answered()
    await expect(screen.mine.locator(".text")).to_contain_text("/id\nsecond line")

    await _tab_to(screen.page, "Messages", "Shift+Tab")
    await keyboard.press("ArrowUp")
    await keyboard.press("Enter")
    await expect(screen.page.get_by_role("menuitem", name="Reply")).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.type("/help")
    await keyboard.press("Enter")
    await screen.answered(2)
    await expect(screen.mine.last.locator(".replied")).to_contain_text("Sandbox Bot")

    await keyboard.press("ArrowUp")
    await expect(screen.page.get_by_text("Edit your message")).to_be_visible()
    await keyboard.press("Escape")
    await expect(screen.page.get_by_role("textbox", name="Message")).to_have_value("")
    await keyboard.type("/")
    field = screen.page.get_by_role("combobox", name="Message", expanded=True)
    await expect(field).to_have_attribute("aria-activedescendant", "suggestion-0")
    await keyboard.press("ArrowUp")
    await keyboard.press("ArrowUp")
    await keyboard.press("Enter")
    await expect(await screen.answered(3)).to_contain_text("Your id is")


async def test_the_whole_page(visit: Visit) -> None:
    """Change chats and people, the theme, and the developer's panel."""
    screen = await visit()
    page, keyboard = screen.page, screen.page.keyboard
    title = page.get_by_role("heading", level=1)
    await keyboard.press("Alt+ArrowDown")
    await expect(title).to_have_text("Book club")

    await _tab_to(page, "Dark theme", "Shift+Tab")
    await keyboard.press("Enter")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await _tab_to(page, "Developer panel")
    await keyboard.press("Space")
    await expect(page.locator("#panel")).to_be_hidden()
    await keyboard.press("Space")
    await _become_ben(screen)
    await page.reload()

    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.get_by_role("radio", name="Ben")).to_be_checked()
    await expect(title).to_have_text("Book club")


async def test_a_quote(visit: Visit) -> None:
    """The menu of a message quotes how it begins, where nothing is selected."""
    screen = await visit()
    page = screen.page
    await screen.write("/id of elephants")
    await screen.answered()
    await page.keyboard.press("Shift+Tab")
    await _tab_to(page, "Messages", "Shift+Tab")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Quote")).to_be_focused()

    await page.keyboard.press("Enter")
    await page.keyboard.type("/help")
    await page.keyboard.press("Enter")

    await screen.answered(2)
    await expect(screen.mine.last.locator(".replied")).to_have_text("Cleo/id of elephants")


async def test_a_button_below_a_message(visit: Visit) -> None:
    """Who presses a button by Enter is still at that message when the answer has changed."""
    screen = await visit()
    page = screen.page
    await screen.write("elephants")
    await screen.answered()
    await page.get_by_role("tab", name="Journal").click()
    await page.get_by_role("button", name="Clear", exact=True).click()
    await page.get_by_role("textbox", name="Message").focus()
    await _tab_to(page, "Answer again", "Shift+Tab")

    await page.keyboard.press("Enter")

    await expect(screen.entry("editMessageText").last).to_be_visible()
    await expect(screen.entry("callback_query").locator(".badge")).to_have_text("200")
    await expect(page.locator("article.theirs:is(:focus, :focus-within)")).to_have_count(1)


async def test_the_menu_of_admins(visit: Visit) -> None:
    """Who has commands of their own finds them in their private chat alone."""
    cleo, ann = await visit(), await visit(ANN)
    for screen in (cleo, ann):
        await screen.page.keyboard.type("/")
    options = ann.page.get_by_role("option")

    await expect(cleo.page.get_by_role("option").filter(has_text="/help")).to_be_visible()
    await expect(cleo.page.get_by_role("option").filter(has_text="/users")).to_have_count(0)
    await expect(options.filter(has_text="/users")).to_be_visible()
    await ann.page.keyboard.press("Backspace")
    await ann.page.keyboard.press("Alt+ArrowDown")
    await expect(ann.page.locator("#title")).to_have_text("Book club")
    await ann.page.keyboard.type("/")
    await expect(options.filter(has_text="/help")).to_be_visible()
    await expect(options.filter(has_text="/users")).to_have_count(0)


async def _become_ben(screen: Screen) -> None:
    await screen.page.get_by_role("radio", name="Ann").focus()
    await screen.page.keyboard.press("ArrowRight")
    assert str(BEN) in screen.page.url


async def test_the_journal(visit: Visit) -> None:
    """An update is looked at, and sent again; the bot answers it once."""
    screen = await visit()
    page, keyboard = screen.page, screen.page.keyboard
    await keyboard.type("/id")
    await keyboard.press("Enter")
    await screen.answered()
    await page.get_by_label("This chat only").check()
    update = page.locator(".entry.update .entry-head").last

    await update.focus()
    await keyboard.press("Enter")

    await expect(page.locator(".entry.open .json").first).to_contain_text('"update_id"')
    await _tab_to(page, "Copy")
    await _tab_to(page, "Send this update again")
    await keyboard.press("Enter")
    await expect(page.locator(".attempts tr")).to_have_count(2)
    await expect(screen.theirs).to_have_count(1)
