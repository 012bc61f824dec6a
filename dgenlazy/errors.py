"""Exceptions raised by dgenlazy. Each is also the built-in error that a caller would expect."""


class DGenError(Exception):
    """Base of every error that this package raises on purpose."""


class ShapeError(DGenError, ValueError):
    """Shapes that cannot be combined, or a value of the wrong shape."""


class AxisError(ShapeError, IndexError):
    """An axis or an index that the value does not have."""


class ArgumentError(DGenError, ValueError, TypeError):
    """An argument of the wrong kind, or outside the values allowed."""


class InputError(DGenError, ValueError):
    """Audio samples that are missing, or fewer than the run needs."""


class BackendError(DGenError, RuntimeError):
    """The backend asked for is not on this machine."""


class ArtifactError(DGenError, ValueError):
    """An exported file that is damaged, foreign or not allowed to run."""
