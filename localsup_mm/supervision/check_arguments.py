"""Checks of the arguments of a local module."""

from ..tracing import Boundary

__all__ = ['check_arguments']


def check_arguments(
    boundary: Boundary,
    has_aux_nets: bool,
    of_feature_maps: bool,
    label_stride: int,
    min_stride: int,
    class_token: bool,
) -> None:
    """Check the arguments of a :class:`LocalModule`.

    Args:
        boundary (Boundary): Where the local module ends.
        has_aux_nets (bool): Whether there is a decoder or an aux head.
        of_feature_maps (bool): Whether there is a pyramid or a shared neck.
        label_stride (int): See :class:`LocalModule`.
        min_stride (int): See :class:`LocalModule`.
        class_token (bool): See :class:`LocalModule`.

    Raises:
        ValueError: If one of them is none, or they contradict each other.
    """
    if not has_aux_nets:
        raise ValueError(
            f'`local_modules` at boundary {boundary.name!r} should have '
            'a `decoder` or an `aux_head`, but got neither. Add e.g. '
            "decoder=dict(type='ReconstructionDecoder')."
        )
    if label_stride < 1:
        raise ValueError(
            '`label_stride` should be at least 1, but got '
            f'{label_stride!r}. Leave it out to learn from all pixels.'
        )
    if min_stride < 1:
        raise ValueError(
            '`min_stride` should be at least 1, but got '
            f'{min_stride!r}. Leave it out for features as they are.'
        )
    if class_token and not boundary.num_extra_tokens:
        raise ValueError(
            '`class_token` should be False where the features have none, as '
            f'at boundary {boundary.name!r}, but got True. Leave it out, and '
            'the aux head gets the feature map.'
        )
    if class_token and of_feature_maps:
        raise ValueError(
            '`class_token` should be False with a `pyramid` or a '
            '`shared_neck`, which are of feature maps, but got True. Leave '
            'one of them out.'
        )
