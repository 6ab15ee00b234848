"""The Gemini API: requests, streams, failures."""
