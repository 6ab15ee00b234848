"""The page shown when someone opens the bot's address in a browser."""

from html import escape
from string import Template

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>$name</title>
<style>
  :root {
    color-scheme: light dark;
    --page: #eef2f6; --card: #fff; --text: #17212b; --quiet: #5d6b78; --accent: #1f6feb;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --page: #0e1621; --card: #17212b; --text: #f2f5f7; --quiet: #9aa8b5;
    }
  }
  * { box-sizing: border-box; }
  body {
    margin: 0; min-height: 100vh; min-height: 100dvh; padding: 1.5rem;
    display: grid; place-items: center;
    background: var(--page); color: var(--text);
    font: 1.0625rem/1.5 system-ui, sans-serif;
  }
  main {
    width: 100%; max-width: 24rem; padding: 2.5rem 2rem; border-radius: 1.25rem;
    background: var(--card); text-align: center; overflow-wrap: anywhere;
  }
  h1 { margin: 0 0 .5rem; font-size: 1.625rem; line-height: 1.25; }
  p { margin: 0 0 1.75rem; color: var(--quiet); }
  a {
    display: block; padding: .875rem 1.25rem; border-radius: .875rem;
    background: var(--accent); color: #fff; font-weight: 600; text-decoration: none;
  }
  a:focus-visible { outline: 3px solid var(--text); outline-offset: 3px; }
  footer { margin-top: 1.75rem; color: var(--quiet); font-size: .875rem; }
</style>
</head>
<body>
<main>
<h1>$name</h1>
<p>$text</p>
$link
<footer>Version $version</footer>
</main>
</body>
</html>
""")


def render_page(name: str, version: str, link: str | None) -> str:
    """Return the page as HTML; without a link, it says that Telegram cannot be reached."""
    if link:
        text = "An assistant in Telegram that answers with Google Gemini."
        anchor = f'<a href="{escape(link)}" rel="noopener">Open the chat</a>'
    else:
        text = "The bot runs, but cannot reach Telegram at the moment."
        anchor = ""
    return _PAGE.substitute(name=escape(name), version=escape(version), text=text, link=anchor)
