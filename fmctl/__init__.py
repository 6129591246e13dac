"""fmctl: plan, price and run foundation-model training on AWS."""

__version__ = "0.1.0"
