# Aux nets of transformers on ImageNet. Ours: the decoder rebuilds the image at
# a quarter of its size; with type='FeatureDecoder' it rebuilds the features
# that enter the local module. The loss of the aux head is that of the
# network's own head, which the config hands on.
decoder = dict(
    type='ReconstructionDecoder', channels=(64, 32), target_stride=4
)
# of a network that averages its features
aux_neck = dict(
    type='ConvPool',
    num_convs=3,
    channels=(32, 64, 256),
    kernel_sizes=(1, 3, 1),
    strides=(1, 2, 1),
)
# of one that reads its class token
token_head = dict(type='mmpretrain.VisionTransformerClsHead', num_classes=1000)
pooled_head = dict(type='mmpretrain.LinearClsHead', num_classes=1000)
# lambda_1 falls with depth, as in the published settings
loss_weights = [[1.5, 1.0], [0.5, 1.0]]
