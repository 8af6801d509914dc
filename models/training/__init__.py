"""What training runs share: resumable steps, codes with labels, what strength 1 means, commands."""
