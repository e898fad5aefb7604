# The narrow ResNet-32 on the first five classes of CIFAR-10 at 16 x 16 pixels,
# end to end: what the configs of fine-tuning start from.
_base_ = ['./resnet32_cifar10-small.py']
labels = [0, 1, 2, 3, 4]
data_preprocessor = dict(num_classes=5)
model = dict(head=dict(num_classes=5))
train_dataloader = dict(dataset=dict(labels=labels))
val_dataloader = dict(dataset=dict(labels=labels))
test_dataloader = val_dataloader
default_hooks = dict(logger=dict(interval=65))
