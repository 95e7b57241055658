"""Answers labelled by people: the sheet out, the labels in."""
