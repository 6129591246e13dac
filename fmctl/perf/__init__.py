"""The performance model: arrays in, arrays out; one module per phenomenon; `evaluate` is the only composition.

Dataclasses that every estimate loads are not frozen: what freezing costs, a millisecond of start-up each, an estimate
would pay forty times.
"""
