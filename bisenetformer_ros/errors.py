"""Errors for users. Every message states what was expected, what came and what to do."""


class BiSeNetFormerError(Exception):
    """Root of all errors that this package raises on purpose."""


class InputError(BiSeNetFormerError, ValueError):
    """An image, a video or a message that cannot be segmented."""


class ModelError(BiSeNetFormerError):
    """A weights file that is missing, corrupt or not a BiSeNetFormer."""


class EngineError(BiSeNetFormerError):
    """An inference engine that cannot run here."""


class InferenceError(EngineError):
    """An engine that was opened but fails to run."""


class ConfigError(BiSeNetFormerError, ValueError):
    """A configuration file or parameter with an invalid value."""


class DataError(BiSeNetFormerError):
    """A data set on disk that is incomplete or corrupt."""
