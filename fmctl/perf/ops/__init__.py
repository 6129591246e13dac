"""What one operation takes: achieved rates of kernels, times of collectives, the fitted constants."""
