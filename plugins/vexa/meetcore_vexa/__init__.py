"""Vexa's wire format: four eras of it, from one journal."""

from __future__ import annotations
