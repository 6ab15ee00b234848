"""Gemini: the key, the model, and whether it really answers."""

import asyncio
import time

from bot.gemini import Gemini, GeminiError, TextDelta, encode, open_gemini
from bot.gemini.models import RETIRED_MODELS
from bot.operator.doctor.findings import Finding, fault, fine, note
from bot.operator.problems import Problem, gemini_fails, model_lacks
from bot.settings import Settings
from bot.tools import open_toolbox

CHECK = "gemini"
TIMEOUT = 12.0  # seconds for the whole check


async def check_gemini(settings: Settings) -> list[Finding]:
    """Ask Google about the model, then ask the model for a word."""
    findings = []
    deadline = asyncio.get_running_loop().time() + TIMEOUT
    async with open_gemini(settings) as gemini:
        model = gemini.model
        if model in RETIRED_MODELS:
            mend = f"set GEMINI_MODEL_NAME={RETIRED_MODELS[model]}, or leave it out"
            findings.append(note(CHECK, Problem(f"{model} is retired", mend)))
        try:
            if model not in RETIRED_MODELS:
                await gemini.check(deadline)
            seconds = await _time_to_first_word(gemini, settings, deadline)
        except GeminiError as error:
            return [*findings, fault(CHECK, gemini_fails(error, settings))]
        findings += [note(CHECK, problem) for problem in model_lacks(gemini.lacking, model)]
    return [*findings, fine(CHECK, f"{model} answers, first words after {seconds:.1f} s")]


async def _time_to_first_word(gemini: Gemini, settings: Settings, deadline: float) -> float:
    """Return the seconds until the model's first word.

    Ask as for users' questions, with features that the model may lack.
    """
    started = time.perf_counter()
    first: float | None = None
    async with open_toolbox(settings) as toolbox:
        stream = gemini.stream(
            encode([{"role": "user", "parts": [{"text": "Say OK."}]}]),
            system_instruction=settings.system_instruction,
            functions=toolbox.declarations,
            allow_calls=False,
            deadline=deadline,
        )
        async for event in stream:
            if first is None and isinstance(event, TextDelta):
                first = time.perf_counter()
    return (first or time.perf_counter()) - started
