"""What training runs share: resumable steps, codes with labels, picture folders, the optimiser."""
