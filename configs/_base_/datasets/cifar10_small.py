# CIFAR-10 averaged to 16 x 16 pixels: 50,000 training and 10,000 test images,
# all in memory.
data_preprocessor = dict(
    num_classes=10,
    mean=[125.3, 123.0, 113.9],
    std=[63.0, 62.1, 66.7],
    to_rgb=False,
)
train_dataloader = dict(
    batch_size=128,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='InMemoryCIFAR10',
        data_root='data/cifar10',
        split='train',
        image_size=16,
        padding=2,
        flip_prob=0.5,
    ),
)
val_dataloader = dict(
    batch_size=1000,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='InMemoryCIFAR10',
        data_root='data/cifar10',
        split='test',
        image_size=16,
    ),
)
val_evaluator = dict(type='Accuracy', topk=(1,))
test_dataloader = val_dataloader
test_evaluator = val_evaluator
