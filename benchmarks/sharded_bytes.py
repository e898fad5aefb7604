"""What a process holds when several share a network: parameters and more.

    python benchmarks/sharded_bytes.py --processes 1 2 4

It trains DeiT-S, cut into four local modules, with AdamW on the CPU, by
LocalDistributedDataParallel and by LocalFullyShardedDataParallel, and counts
what torch allocates on a CPU. The images are of 2 x 2 patches, so that
activations hardly count.
"""

import argparse
import json
import os
import socket
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.structures import DataSample
from torch.profiler import profile, record_function

from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import (
    LocalDistributedDataParallel,
    LocalFullyShardedDataParallel,
)

WRAPPERS = (LocalDistributedDataParallel, LocalFullyShardedDataParallel)
BOUNDARIES = ('layers.2', 'layers.5', 'layers.8')
MEBIBYTE = 2**20


def build_model():
    init_default_scope('mmpretrain')
    backbone = dict(
        type='VisionTransformer', arch='deit-s', img_size=32, patch_size=16
    )
    head = dict(type='VisionTransformerClsHead', num_classes=10)
    aux = dict(
        aux_neck=dict(type='GlobalAveragePooling'),
        aux_head=dict(type='LinearClsHead', num_classes=10),
    )
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(
                type='localsup_mm.LocalBackbone',
                backbone=backbone,
                local_modules=[dict(boundary=b, **aux) for b in BOUNDARIES],
            ),
            head=dict(head, in_channels=384),
        )
    )


def count(rank, number, port, wrapper, path):
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    dist.init_process_group('gloo', rank=rank, world_size=number)
    with profile(profile_memory=True) as trace:
        model = wrapper(build_model())
        optim_wrapper = LocalOptimWrapper(
            optimizer=torch.optim.AdamW(model.parameters())
        )
        data = dict(
            inputs=torch.rand(1, 3, 32, 32),
            data_samples=[DataSample().set_gt_label(0)],
        )
        model.train_step(data, optim_wrapper)
        with record_function('counted step'):
            model.train_step(data, optim_wrapper)
    if rank == 0:
        held = find_held(model, optim_wrapper.optimizer)
        path.write_text(json.dumps([held, find_peak(trace, path)]))
    dist.barrier()
    dist.destroy_process_group()


def find_held(model, optimizer):
    """Bytes of parameters and optimizer state between two steps."""
    tensors = [*model.parameters()]
    for state in optimizer.state.values():
        tensors += [value for value in state.values() if value.dim()]
    return sum(getattr(t, '_local_tensor', t).nbytes for t in tensors)


def find_peak(trace, path):
    """The most bytes that torch had allocated in the counted step."""
    trace.export_chrome_trace(str(path))
    events = json.loads(path.read_text())['traceEvents']
    step = next(e for e in events if e.get('name') == 'counted step')
    end = step['ts'] + step['dur']
    return max(
        event['args']['Total Allocated']
        for event in events
        if event.get('name') == '[memory]' and step['ts'] <= event['ts'] <= end
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--processes', type=int, nargs='+', default=[1, 2, 4])
    args = parser.parse_args()
    print('wrapper, processes: parameters and state, peak in a step (MiB)')
    for wrapper in WRAPPERS:
        for number in args.processes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, 'counted.json')
                with socket.socket() as sock:
                    sock.bind(('127.0.0.1', 0))
                    port = sock.getsockname()[1]
                mp.spawn(
                    count, args=(number, port, wrapper, path), nprocs=number
                )
                held, peak = json.loads(path.read_text())
            print(
                f'{wrapper.__name__}, {number}: {held / MEBIBYTE:.1f}, '
                f'{peak / MEBIBYTE:.1f}',
                flush=True,
            )


if __name__ == '__main__':
    main()
