"""A reply as it is being written: the prompt that fits, what came of it, and a generator that dies. No Textual.

answering = Answering(generator, conversation, turn, settings)
reason = await answering.write(lambda: show(turn))       # the turn's text grows meanwhile
answering.stop()                                         # what has come stays
answering.abandon()                                      # nothing that still comes is taken
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import EngineError, GeneratorLostError
from gpt_tui.conversations import Conversation, Said, Turn
from gpt_tui.conversing import talking
from gpt_tui.conversing.talking import Prompt, Style

if TYPE_CHECKING:
    from engine.generation.protocol import GeneratorClient, Writing

FRAME = 1 / 240
"""Seconds between two batches of text: what comes sooner goes with the next."""

TRIES = 4
"""A reply without a word is asked for anew so often, with another seed."""

_SHAPING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens")


class Ready(Protocol):
    """What gives the client that holds a model: `gpt_tui.generating.Generator`."""

    async def ready(
        self, model: str, checkpoint: str = "best", *, anew: bool = False, progress: Callable[[str], None] | None = None
    ) -> GeneratorClient: ...


class Answering:
    """Writes one reply into `turn`, whose place in the conversation says what it answers.

    `left_out`: how many of the oldest turns the model does not see. `recovered`: why the generator had to be started
    anew, if it had to.
    """

    def __init__(self, generator: Ready, conversation: Conversation, turn: Turn, settings: dict[str, Any]) -> None:
        self.conversation, self.turn = conversation, turn
        self.settings = dict(settings)
        self.left_out = 0
        self.recovered = ""
        self.over = False
        self._generator = generator
        self._style = Style.from_table(conversation.style)
        self._writing: Writing | None = None
        self._stopped = False
        chosen = settings.get("seed")
        turn.seed = secrets.randbits(32) if chosen is None else (int(chosen) + turn.id) % 2**63  # another one each time
        turn.unfinished = True

    def stop(self) -> None:
        """Write no more; what has come stays."""
        self._stopped = True
        if self._writing is not None:
            self._writing.stop()

    def abandon(self) -> None:
        """Nothing more is wanted: what is on its way is dropped."""
        self._stopped = self.over = True
        self.turn.unfinished = False
        if self._writing is not None:
            self._writing.close()

    def change(self, settings: dict[str, Any]) -> None:
        """Other settings from the next token on."""
        self.settings.update(settings)
        if self._writing is not None and not self.over:
            with contextlib.suppress(EngineError):
                self._writing.change(**{name: settings[name] for name in _SHAPING if name in settings})

    async def write(self, changed: Callable[[], None], progress: Callable[[str], None] | None = None) -> str:
        """Write it, calling `changed` when the turn has grown; returns why it ended: `stop`, `length`, `end_of_text`,
        `stopped`, or `nothing` when the model says nothing.

        Raises an `EngineError`: the model cannot be loaded, or the generator died twice.
        """
        try:
            try:
                return await self._write(changed, progress)
            except GeneratorLostError as lost:
                if self._stopped:
                    return "stopped"
                self.recovered = str(lost)
                return await self._write(changed, progress)
        finally:
            self.over = True
            self.turn.unfinished = False

    async def _write(self, changed: Callable[[], None], progress: Callable[[str], None] | None) -> str:
        model, checkpoint = self.conversation.model, self.conversation.checkpoint
        client = await self._generator.ready(model, checkpoint, progress=progress)
        prompt = await self._fitted(client)
        self.left_out = prompt.first
        seed = self.turn.seed or 0
        for attempt in range(TRIES):
            if self._stopped:
                return "stopped"
            self.turn.seed = (seed + attempt) % 2**63
            reason = await self._once(client, prompt.text, changed)
            if self.turn.text or reason == "stopped":
                return reason
        return "nothing"

    async def _once(self, client: GeneratorClient, prompt: str, changed: Callable[[], None]) -> str:
        settings = talking.sampling(self.settings)
        stop = self._style.stop(self.conversation.you, self.conversation.them)
        self.turn.text, self.turn.tokens, self.turn.settings = "", [], settings
        raw = ""
        self._writing = writing = client.generate(prompt, **settings, seed=self.turn.seed, stop=list(stop))
        async with contextlib.aclosing(writing):
            async for tokens in writing:
                if self.over:
                    return "stopped"
                raw += "".join(token.text for token in tokens)
                self.turn.tokens += [Said(token.text, token.probability) for token in tokens if token.text]
                self.turn.text = self._style.shown(raw)
                changed()
                await asyncio.sleep(FRAME)
        if not self.over:
            self.turn.text = self._style.reply(raw)
            changed()
        end = writing.ends.get(0)
        return end.stop_reason if end is not None else "stopped"

    async def _fitted(self, client: GeneratorClient) -> Prompt:
        """The prompt with as many turns as the model can see."""
        conversation = self.conversation
        scene = conversation.scene if self._style.is_prose else ""
        whole = talking.prompt(self._style, scene, conversation.before(self.turn), self.turn.speaker)
        reach = client.model.reach if client.model is not None else len(whole.text)
        near = talking.within(whole, reach)
        tokenized = await client.tokenize(near.text)
        return talking.fitted(near, tokenized.texts, tokenized.room, int(self.settings["max_new_tokens"]))
