"""Annotation by people: a sheet of answers is exported, its labels are imported."""
