"""StyleGAN2: generator, mapping network, and the layouts they are published in."""
