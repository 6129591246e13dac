"""The training step: layers, stages, schedule, states, put together by `evaluate`."""
