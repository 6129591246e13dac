"""Any program that torchrun starts."""
