"""Networks between heatmaps and what a codec stores, in torch: all that does not train, and that a decoder may need.

`heatmap` draws keypoints and reads them out; `part_vqgan` is the network by parts of a body and `path` where the body goes;
`vqgan`, `vector_quantizer` and `heatmap_io` are the VQ-GAN whose whole shape is in a `config.ModelConfig`. Losses and
training loops are in `train`. torch is optional: `availability` asks for it.
"""
