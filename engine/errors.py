"""The engine's own errors. Each message is one line that says what is wrong and what to do."""


class EngineError(Exception):
    """Anything that the engine refuses or cannot do. The message is fit to be shown to a person as it is."""


class RequestError(EngineError):
    """The request itself was wrong: asking again in the same way cannot succeed. Exit status 2 on the command line."""


class ConfigError(RequestError):
    """A setting that is unknown, out of its bounds, or at odds with another."""


class CorpusError(RequestError):
    """A text that is missing, unreadable, empty, binary or too small."""


class DeviceError(RequestError):
    """A device that this machine does not have."""


class ModelNotFoundError(RequestError):
    """No model of that name in the store, and no model folder at that path."""


class NameTakenError(RequestError):
    """A model of that name is there already."""


class DamagedModelError(RequestError):
    """A model's folder whose files are missing, cut off or contradict one another."""


class BusyError(RequestError):
    """Another live process is changing the model."""


class StorageError(EngineError):
    """The disk refused: no space, no permission, a file system that went away."""


class TrainingError(EngineError):
    """Training cannot go on: it diverged, or memory ran out."""


class OutOfMemoryError(TrainingError):
    """The device's memory does not hold this model with this batch size."""


class GeneratorLostError(EngineError):
    """The generator's process is gone; its client's `restart` brings it back."""


class PeerError(TrainingError):
    """Another process of the same training failed, and that one tells why: this one ends with it."""
