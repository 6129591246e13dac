"""What things are: frozen dataclasses; nothing here is computed beyond counting what a thing holds."""
