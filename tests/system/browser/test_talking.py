"""What people do with a bot: write, read, stop, send photos, edit, begin anew."""

import io

from PIL import Image
from playwright.async_api import FilePayload, expect

from tests.system.browser.sandbox import Sandbox
from tests.system.browser.screen import ANN, BEN, CLEO, FORUM, GROUP, PHONE, Visit

MATHML = "http://www.w3.org/1998/Math/MathML"


def _photo() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(content, "PNG")
    return content.getvalue()


async def test_the_first_minute(visit: Visit) -> None:
    """A newcomer reads what the bot is for, starts it, and asks one of the examples."""
    screen = await visit()
    welcome = screen.page.locator(".welcome")
    await expect(welcome).to_contain_text("Write me anything")
    await expect(welcome).to_contain_text("built-in model")

    await screen.press("Start")

    await expect(await screen.answered()).to_contain_text("Hello! I am an assistant")
    await expect(welcome).to_have_count(0)
    await screen.theirs.get_by_role("button", name="/help").click()
    await expect(await screen.answered(2)).to_contain_text("What I can do")


async def test_an_answer_grows_and_is_stopped(visit: Visit) -> None:
    """A draft says that the bot thinks, grows, and ends by its button; what there is stays."""
    screen = await visit()

    await screen.write("a long answer, please")

    await expect(screen.draft).to_contain_text("Thinking…")
    await expect(screen.draft).not_to_contain_text("Thinking…")
    early = await screen.draft.inner_text()
    await expect(screen.draft).not_to_have_text(early)
    await screen.press("Stop")
    answer = await screen.answered()
    await expect(answer).to_contain_text("(Stopped.)")
    await expect(answer.get_by_role("button", name="Continue")).to_be_visible()


async def test_tables_and_formulas(visit: Visit) -> None:
    """A table is a table and a formula is MathML."""
    screen = await visit()

    await screen.write("Show me a table and a formula, please")

    answer = await screen.answered()
    await expect(answer.get_by_role("row")).to_have_count(9)
    await expect(answer.get_by_role("columnheader").first).to_have_text("Planet")
    await expect(answer.locator("math")).to_have_count(4)
    fraction = answer.locator("math mfrac").first
    assert await fraction.evaluate("element => element.namespaceURI") == MATHML
    await expect(answer.locator(".formula code, .formula-inline code")).to_have_count(0)


async def test_code_is_copied(visit: Visit) -> None:
    """Code stands in its language's colours, and its button copies it."""
    screen = await visit()
    await screen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    await screen.write("code")

    answer = await screen.answered()
    await expect(answer.locator(".pre-top")).to_contain_text("python")
    await expect(answer.locator(".token-word").first).to_have_text("def")
    await answer.get_by_role("button", name="Copy", exact=True).click()
    await expect(answer.get_by_role("button", name="Copied")).to_be_visible()
    copied = await screen.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("def primes(limit: int) -> list[int]:\n    is_prime")


async def test_a_photo_by_button(visit: Visit) -> None:
    """A photo is previewed, captioned, sent, shown and looked at."""
    screen = await visit()
    page = screen.page

    await page.set_input_files(
        "#file", {"name": "sea.png", "mimeType": "image/png", "buffer": _photo()}
    )
    await page.get_by_label("Caption").fill("What is this?")
    await page.get_by_role("button", name="Send", exact=True).last.click()

    await expect(await screen.answered()).to_contain_text("64 \N{MULTIPLICATION SIGN} 48")
    photo = screen.mine.get_by_role("img", name="What is this?")
    assert await photo.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64


async def test_a_photo_is_dropped(visit: Visit) -> None:
    """A photo that is dragged over the conversation can be dropped there."""
    screen = await visit()
    page = screen.page
    transfer = await page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "sea.png", {type: "image/png"}));
            return transfer;
        }""",
        list(_photo()),
    )

    await page.dispatch_event("#log", "dragover", {"dataTransfer": transfer})
    await expect(page.get_by_text("Drop photos")).to_be_visible()
    await page.dispatch_event("#log", "drop", {"dataTransfer": transfer})
    await page.locator("#photo-send").click()

    await expect(await screen.answered()).to_contain_text("64 \N{MULTIPLICATION SIGN} 48")


async def test_several_photos(visit: Visit) -> None:
    """Each is shown and sent for itself."""
    screen = await visit()
    photo: FilePayload = {"name": "sea.png", "mimeType": "image/png", "buffer": _photo()}

    await screen.page.set_input_files("#file", [photo, photo])

    for title in ("Photo 1 of 2", "Photo 2 of 2"):
        dialog = screen.page.get_by_role("dialog", name=title)
        await dialog.get_by_role("button", name="Send", exact=True).click()
    await screen.answered(2)
    await expect(screen.mine.get_by_role("img", name="Photo")).to_have_count(2)


async def test_a_group(visit: Visit) -> None:
    """In a group the bot answers who mentions it, and its buttons are theirs alone."""
    ben = await visit(BEN, GROUP)
    await ben.write("Good morning")
    await expect(ben.toast).to_contain_text("privacy mode")
    await ben.page.get_by_role("textbox", name="Message").press_sequentially("@san")
    await ben.page.keyboard.press("Enter")
    await ben.page.keyboard.type("good morning to you")

    await ben.page.keyboard.press("Enter")

    answer = await ben.answered()
    await expect(answer.locator(".replied")).to_contain_text("Ben")
    cleo = await visit(CLEO, GROUP)
    await cleo.press("Answer again")
    await expect(cleo.toast).to_contain_text("for the person who asked")


async def test_topics(visit: Visit) -> None:
    """A topic is opened, written in and answered in; the others do not see that."""
    screen = await visit(ANN, FORUM)
    await screen.press("New topic")
    await screen.page.get_by_label("Name").fill("Plans")
    await screen.page.keyboard.press("Enter")
    await expect(screen.page.get_by_role("tab", name="Plans")).to_have_attribute(
        "aria-selected", "true"
    )

    await screen.write("/ask what is next?")

    await screen.answered()
    await screen.page.get_by_role("tab", name="General").click()
    await expect(screen.theirs).to_have_count(0)


async def test_edited_and_asked_again(visit: Visit) -> None:
    """An edited question is answered anew, in the place of the answer; so is ↻."""
    screen = await visit()
    await screen.write("elephants")
    await expect(await screen.answered()).to_contain_text("elephants")

    await screen.page.keyboard.press("ArrowUp")
    await screen.write("giraffes")

    await expect(screen.mine).to_contain_text("edited")
    await expect(screen.theirs.last).to_contain_text("giraffes")
    await screen.press_key("Answer again")
    await expect(screen.entry("editMessageText").last).to_contain_text("giraffes")
    again = screen.page.get_by_role("log").get_by_role("button", name="Answer again")
    await expect(again).to_have_count(1)
    await expect(screen.theirs.last).to_contain_text("giraffes")


async def test_replied_and_quoted(visit: Visit) -> None:
    """A part of a message is quoted in the reply to it."""
    screen = await visit()
    await screen.write("/id elephants are large")
    await screen.answered()
    await screen.mine.locator(".text").evaluate(
        """text => {
            const range = document.createRange();
            range.setStart(text.childNodes[1], 1);
            range.setEnd(text.childNodes[1], 10);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }"""
    )
    await screen.page.dispatch_event("#log", "pointerup")

    await screen.press("Quote")
    await screen.write("/help")

    await screen.answered(2)
    await expect(screen.mine.last.locator(".replied")).to_have_text("Cleoelephants")


async def test_a_new_chat(visit: Visit) -> None:
    """The command menu filters, and /new_chat forgets."""
    screen = await visit()
    await screen.write("elephants")
    await screen.answered()

    await screen.page.get_by_role("textbox", name="Message").press_sequentially("/new")
    await expect(screen.page.get_by_role("option")).to_have_count(1)
    await screen.page.keyboard.press("Enter")

    await expect(await screen.answered(2)).to_contain_text("I have forgotten")


async def test_a_restart(visit: Visit, sandbox: Sandbox) -> None:
    """The bot starts again and remembers; so does the whole sandbox, and the page comes back."""
    screen = await visit()
    await screen.write("/new_chat")
    await screen.answered()
    await screen.write("elephants")
    await screen.answered(2)

    await screen.page.get_by_role("tab", name="Switches").click()
    await screen.press("Restart the bot What it stored stays; what was begun goes on")
    await expect(screen.banner).to_contain_text("away")
    await screen.write("history")

    await expect(await screen.answered(3)).to_contain_text("elephants")
    await expect(screen.banner).to_be_empty()
    await sandbox.end()
    await expect(screen.banner).to_contain_text("cannot be reached")
    screen.faults.clear()
    await sandbox.start()
    await expect(screen.banner).to_be_empty()
    await expect(screen.theirs).to_have_count(3)
    await screen.write("history")
    await expect(await screen.answered(4)).to_contain_text("elephants")
    screen.faults = [fault for fault in screen.faults if "ERR_" not in fault]


async def test_two_browsers(visit: Visit) -> None:
    """What one person writes, another sees at once, and sees that it is new."""
    ann, ben = await visit(ANN, GROUP), await visit(BEN)

    await ann.write("@sandbox_bot hello from Ann")

    await ann.answered()
    chat = ben.chat("Book club")
    await expect(chat.locator(".count")).to_contain_text("2")
    await chat.click()
    await expect(ben.theirs).to_have_count(2)
    await ben.write("hello, Ann")
    await expect(ann.theirs).to_have_count(2)
    await expect(ann.theirs.last).to_contain_text("hello, Ann")


async def test_on_a_phone(visit: Visit) -> None:
    """On a phone the chats are a drawer and the developer's panel a sheet."""
    screen = await visit(size=PHONE)
    page = screen.page
    await page.get_by_role("button", name="Chats").click()
    await screen.chat("Book club").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Book club")
    await expect(page.locator("#side")).to_be_hidden()

    await page.get_by_role("button", name="Developer panel").click()

    await expect(page.get_by_role("heading", name="For developers")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#panel")).to_be_hidden()
    await page.set_viewport_size({"width": 320, "height": 568})
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await page.keyboard.press("Alt+ArrowDown")
    await expect(page.get_by_role("button", name="New topic")).to_be_in_viewport(ratio=1)
