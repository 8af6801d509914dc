"""The recipe of encoders of a frozen StyleGAN2 generator: training, writing codes, timing."""
