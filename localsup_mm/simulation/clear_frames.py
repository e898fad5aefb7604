"""Letting go of fake tensors when an iteration fails."""

import traceback
from typing import Optional

__all__ = ['clear_frames']


def clear_frames(error: Optional[BaseException]) -> None:
    """Free what the frames of an error hold.

    Left to the garbage collector, fake tensors in a cycle of frames crash
    Python (torch 2.12).

    Args:
        error (BaseException, optional): The error; those in whose handling
            it was raised are freed as well.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
