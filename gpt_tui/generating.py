"""The app's one generator: started when it is first needed, brought back when it died, holding one model at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.generation.protocol import GeneratorClient, Loaded


class Generator:
    """Compose and Chat share it: whoever writes next says with which model, and waits until that is loaded.

    The process belongs to the app and ends with it.
    """

    def __init__(self, device: str = "auto") -> None:
        self._client: GeneratorClient | None = None
        self.device = device
        self._settling = asyncio.Lock()
        self._held: tuple[str, str] | None = None

    @property
    def client(self) -> GeneratorClient:
        """What speaks to its process; imported when it is first needed, for which the first frame does not wait."""
        if self._client is None:
            from engine.generation.protocol import GeneratorClient

            self._client = GeneratorClient()
        return self._client

    @property
    def model(self) -> Loaded | None:
        """What it holds now."""
        return self._client.model if self._client is not None and self._client.alive else None

    async def ready(
        self, model: str, checkpoint: str = "best", *, anew: bool = False, progress: Callable[[str], None] | None = None
    ) -> GeneratorClient:
        """The client, holding that model; `anew`: with the weights that training has saved meanwhile.

        Raises what `engine.load` raises, and `GeneratorLostError` when its process cannot live.
        """
        async with self._settling:
            if not self.client.alive:
                self._held = None
                if progress is not None:
                    progress("starting the generator")
                await self.client.close()
                await self.client.start()
            if anew or self._held != (model, checkpoint):
                self._held = None
                await self.client.load(model, checkpoint, self.device, progress=progress)
                self._held = (model, checkpoint)
        return self.client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
