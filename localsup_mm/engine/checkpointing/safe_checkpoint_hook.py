"""Checkpoints that survive a crash and resume exactly."""

import os
import signal
from collections.abc import Sequence
from typing import Any, Optional, Union

from mmengine.dist import (
    all_gather_object,
    barrier,
    get_rank,
    get_world_size,
    is_main_process,
)
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...upstream import draw_batches_by
from ..random_states import get_random_states, set_random_states
from .endless_batches import EndlessBatches
from .log_history import bound_log_history
from .plain_data import to_plain
from .resumable_data import ResumableLoader, make_resumable
from .resume_data import goes_on_anywhere, resume_data
from .stop_signal import StopSignal
from .write_whole import write_whole

__all__ = ['AtomicLocalBackend', 'SafeCheckpointHook']

# written where a signal stops a training; the next regular one replaces it
_INTERRUPTED = 'interrupted.pth'


@register_backend('atomic_local')
class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, each written whole or not at all.

    Use it by ``backend_args=dict(backend='atomic_local')``.
    """

    def put(self, obj: bytes, filepath: Union[str, os.PathLike]) -> None:
        """Write to a file beside it, then rename.

        Args:
            obj (bytes): The content of the file.
            filepath (str | os.PathLike): Its path.
        """
        write_whole(filepath, obj)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's :class:`CheckpointHook`, safe to kill and to resume.

    - A checkpoint is written whole or not at all, and an old one is removed
      (``max_keep_ckpts``) only after the new one is there.
    - It holds plain data only, so that ``torch.load(weights_only=True)``,
      the default since torch 2.6, takes it; mmengine 0.10.7 cannot resume
      its own there. Nothing in it is ever executed.
    - It holds the random states, also of the workers that load data, and
      the place in the data. A resumed run continues as if never interrupted,
      and reads no image again.
    - A signal by which a scheduler asks a training to stop makes it write one
      after the current iteration and exit with 128 + the signal's number: 143
      for SIGTERM. Of several processes one has to get it.

    Args:
        max_log_history (int): How many values of each scalar in the log are
            remembered, and kept in a checkpoint; more where ``log_processor``
            averages over more. Defaults to 10000.
        stop_signals (Sequence[str]): Names of the signals that stop a
            training; one that has a handler is left alone. A second one, half
            a minute later, ends the process at once. Defaults to
            ``('SIGTERM', 'SIGUSR1')``.
        backend_args (dict, optional): Arguments of mmengine's file backend.
            Defaults to None: local files, written atomically.
        **kwargs: Further arguments of :class:`CheckpointHook`, e.g.
            ``interval`` and ``max_keep_ckpts``.
    """

    def __init__(
        self,
        *args,
        max_log_history: int = 10_000,
        stop_signals: Sequence[str] = ('SIGTERM', 'SIGUSR1'),
        backend_args: Optional[dict] = None,
        **kwargs,
    ) -> None:
        if backend_args is None:
            backend_args = dict(backend='atomic_local')
        super().__init__(*args, backend_args=backend_args, **kwargs)
        draw_batches_by(EndlessBatches)
        self.max_log_history = max_log_history
        self._stop = StopSignal(stop_signals)
        self._num_saved_iters = -1
        self._saved_states: Optional[list] = None
        self._resumed_states: Optional[dict] = None
        self._states_before_val: Optional[dict] = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Turn everything but the weights into plain data."""
        states = self._saved_states or [get_random_states()]
        checkpoint['random_states'] = states
        for key in list(checkpoint):
            if key != 'state_dict':
                checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Turn the plain data back; a host's own checkpoint is kept."""
        # mmengine would run it to count its GPUs
        checkpoint.get('meta', {}).pop('config', None)
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for key, value in scalars.items():
            if isinstance(value, dict):
                scalars[key] = HistoryBuffer(**value)
        states = checkpoint.pop('random_states', [])
        if len(states) == get_world_size():
            self._resumed_states = states[get_rank()]

    def before_train(self, runner: Runner) -> None:
        """Let a resumed run go on where it was interrupted."""
        super().before_train(runner)
        states, self._resumed_states = self._resumed_states, None
        make_resumable(runner.train_dataloader)
        if runner.iter > 0:
            resume_data(runner.train_loop, states)
        self._stop.catch()
        for loop in (runner.train_loop, runner.val_loop):
            self._stop.shield_workers(getattr(loop, 'dataloader', None))

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Save where it is time to, and stop where a signal asked to."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        # processes may be some iterations apart, and should stay so
        lag = getattr(runner.model, 'lag', 0)
        number = self._stop.find(runner.iter, lag)
        wrapper = runner.optim_wrapper
        # gradients that are being accumulated would be lost
        if number and (
            isinstance(wrapper, OptimWrapperDict) or wrapper.should_update()
        ):
            self._stop_training(runner, number)

    def after_train(self, runner: Runner) -> None:
        """Leave signals alone again."""
        super().after_train(runner)
        self._stop.release()

    def before_val(self, runner: Runner) -> None:
        """Note the random states, from which a validation draws too."""
        self._states_before_val = get_random_states()

    def after_val(self, runner: Runner) -> None:
        """Training goes on as if there had been no validation.

        The checkpoint of this iteration was written before it.
        """
        if self._states_before_val is not None:
            set_random_states(self._states_before_val)

    def _stop_training(self, runner: Runner, number: int) -> None:
        """Write a checkpoint, unless it was just done, and exit."""
        if self._num_saved_iters != runner.iter + 1 and goes_on_anywhere(
            runner.train_loop
        ):
            self.by_epoch, self.filename_tmpl = False, _INTERRUPTED
            self.max_keep_ckpts = -1
            meta = dict(epoch=runner.epoch, iter=runner.iter + 1)
            self._save_checkpoint_with_step(runner, runner.iter + 1, meta)
        barrier()  # else who started them would end the one that writes
        runner.logger.warning(
            f'{signal.Signals(number).name} stops the training after '
            f'iteration {runner.iter + 1}. --resume goes on from '
            f'{self.last_ckpt or "the beginning"}.'
        )
        runner.visualizer.close()
        raise SystemExit(128 + number)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        """Save first, then remove what is too old."""
        bound_log_history(runner, self.max_log_history)
        # here, and not where the main process alone saves
        states, loader = get_random_states(), runner.train_dataloader
        if isinstance(loader, ResumableLoader):
            states['data'] = loader.find_place()
        self._saved_states = all_gather_object(states)
        keep, self.max_keep_ckpts = self.max_keep_ckpts, -1
        try:
            if keep > 0 and (
                not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step
            ):
                old = [*self.keep_ckpt_ids, step][:-keep]
                kept = [*self.keep_ckpt_ids, step][-keep:]
                runner.message_hub.update_info('keep_ckpt_ids', kept)
            else:
                old, kept = [], None
            super()._save_checkpoint_with_step(runner, step, meta)
        except OSError as error:
            name = self.filename_tmpl.format(step)
            raise RuntimeError(
                f'`work_dir` should take a checkpoint, but {name!r} could '
                f'not be written to {self.out_dir!r} ({error}). Those before '
                'it are whole: make room, and go on with --resume.'
            ) from error
        finally:
            self.max_keep_ckpts = keep
            self._saved_states = None
        if kept is not None:
            self.keep_ckpt_ids.clear()
            self.keep_ckpt_ids.extend(kept)
        self._num_saved_iters = meta['iter']
        names = [self.filename_tmpl.format(old_step) for old_step in old]
        if self.filename_tmpl != _INTERRUPTED:
            names.append(_INTERRUPTED)
        for name in names if is_main_process() else ():
            path = self.file_backend.join_path(self.out_dir, name)
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
