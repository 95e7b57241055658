"""Scores answers rule by rule, whoever wrote them, and says how far the scores can be trusted."""
