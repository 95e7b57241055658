"""The table of the teacher's ceiling: each rule over the four ways to answer."""

from report.run_files import RunFiles
from teacher.audit import PassShare


def build_audit_rows(material: RunFiles) -> list[tuple[str, tuple[PassShare | None, ...]]]:
    """Strict first, then each rule that the audit decides: base, first, best, repaired."""
    if material.audit is None:
        return []
    rules = {"strict": material.audit.strict, **material.audit.rules}
    rows = [
        (name, (rule.base, rule.first, rule.best, rule.repaired)) for name, rule in rules.items()
    ]
    return [(name, shares) for name, shares in rows if any(share and share.n for share in shares)]
