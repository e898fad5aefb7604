"""What an end-to-end iteration needs between any two boundaries."""

from dataclasses import dataclass

__all__ = ['StepProfile']


@dataclass
class StepProfile:
    """Bytes that live in an end-to-end iteration, place by place.

    Place 0 is the start of the backbone, place i = 1 .. n the i-th candidate
    boundary, place n + 1 the end. Stretch i leads from place i - 1 to i; the
    last one includes neck and heads. Bytes do not count ``static``.

    Args:
        names (tuple[str]): The n candidate boundaries.
        static (int): Parameters, buffers and optimizer state.
        peak (int): Of the whole iteration, ``static`` included.
        macs (int): Multiply-accumulates of the forward pass.
        state_ratio (float): Bytes of optimizer state a byte of trainable
            parameters.
        forward (list[int]): At each place in the forward pass.
        forward_peaks (list[int]): In each stretch of it; [0] is not used.
        backward_peaks (list[int]): In each stretch of the backward.
        held_peaks (list[int]): The same where the features at the end of
            the stretch live on, as a local module holds them.
        update (int): What the optimizer's step takes for itself.
        gradients (list[int]): Of the parameters before each place; those of
            neck and heads are in the last entry.
        kept (list[dict[int, int]]): Storages, and their bytes, that live on
            behind a cut at each place: closed and frozen outputs of the
            backbone, what taps have saved of them, and inputs of the modules
            around the boundary, which their callers hold. At the end, of
            the outputs those that neck and heads save.
        outputs (list[tuple[int, int]]): Storage of the features at each
            place, and its bytes.
        inputs (list[dict[int, int]]): Storages of what went into the module
            at each place. Its caller holds them until it returns.
        features (list[tuple]): Shape and dtype of the features there.
    """

    names: tuple[str, ...]
    static: int
    peak: int
    macs: int
    state_ratio: float
    forward: list
    forward_peaks: list
    backward_peaks: list
    held_peaks: list
    update: int
    gradients: list
    kept: list
    outputs: list
    inputs: list
    features: list
