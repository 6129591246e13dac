"""Acme's constants: another's, under its own name."""

from __future__ import annotations

from dataclasses import replace

from fmctl.frameworks.composer.profile import COMPOSER
from tests.unit.house.acme.limits import LIMITS

PROFILES = (replace(COMPOSER, name="acme", limits=LIMITS, source="a test"),)
