"""Errors of a data pipeline, with the file that they are about."""

from typing import Any, Optional

from mmengine.dataset import Compose

__all__ = ['name_files_in_errors']

# how hosts call the file of an image or a video
_PATHS = ('img_path', 'filename', 'frame_dir')


class _ExplainedCompose(Compose):
    """A pipeline whose errors name the file."""

    def __call__(self, data: dict) -> Optional[dict]:
        paths = [data[key] for key in _PATHS if key in data]
        try:
            return super().__call__(data)
        except Exception as error:
            if not paths:
                raise
            reason = f'{type(error).__name__}: {error}'
            raise RuntimeError(
                'the pipeline of a data set should take each of its files, '
                f'but failed at {paths[0]!r} ({reason}). If the file is '
                'damaged, get it again or leave it out of the data set, and '
                'go on with --resume.'
            ) from error


def name_files_in_errors(dataset: Any) -> None:
    """Let errors of a data set's pipeline name the file.

    Args:
        dataset (Any): A data set, or one that wraps others.
    """
    pipeline = getattr(dataset, 'pipeline', None)
    if type(pipeline) is Compose:
        # another class, so that references and hooks that switch it stay
        pipeline.__class__ = _ExplainedCompose
    inner = getattr(dataset, 'datasets', None)
    for part in inner or [getattr(dataset, 'dataset', None)]:
        if part is not None:
            name_files_in_errors(part)
