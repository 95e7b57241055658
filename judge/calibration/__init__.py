"""How far the judge can be trusted: against people's labels, broken answers and attacks.

Files of formulas (raters, corrected, margin, ppi) know numbers alone.
"""
