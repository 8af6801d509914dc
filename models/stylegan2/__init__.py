"""StyleGAN2: generator, mapping network, discriminator, and the layouts they are published in."""
