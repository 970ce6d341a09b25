"""The network between heatmaps and tokens: a VQ-GAN whose whole shape is in a `ModelConfig`."""
