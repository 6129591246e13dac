"""Megatron-Bridge (NeMo)."""
