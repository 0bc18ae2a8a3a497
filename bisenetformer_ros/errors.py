"""The errors a user can meet. Every message says what was expected, what came and what to do."""


class BiSeNetFormerError(Exception):
    """Root of every error this package raises on purpose."""


class InputError(BiSeNetFormerError, ValueError):
    """An image, a video or a message that cannot be segmented."""


class ModelError(BiSeNetFormerError):
    """A weights file that is missing, damaged or not a BiSeNetFormer."""


class EngineError(BiSeNetFormerError):
    """An inference engine that cannot run here."""


class ConfigError(BiSeNetFormerError, ValueError):
    """A configuration file or a parameter with a wrong value."""


class DataError(BiSeNetFormerError):
    """A data set on disk that is incomplete or damaged."""
