"""The sandbox's page in a real browser: Chromium, driven by Playwright."""
