"""Errors that a caller may want to catch."""

__all__ = ['BoundaryError', 'InputSizeError', 'SetupError']


class BoundaryError(ValueError):
    """A submodule was named as a boundary where a backbone cannot be cut."""


class InputSizeError(ValueError):
    """A backbone was traced on images of a size that it does not take."""


class SetupError(ValueError):
    """A model, its data and the way it is to be trained do not go together.

    It is raised before the first iteration.
    """
