"""Where a site's own rules take codes that the default grammar would read otherwise."""

from collections.abc import Iterator, Sequence

from edge.codes.automaton import Automaton
from edge.codes.rules import Rule

# By form, all codes that begin like it. GS1 codes are meant as they come without a symbology identifier.
_FORMS = {
    "the plain form (LS…)": r" *[Ll][Ss][CEKLOPQWceklopqw].*",
    "ISO/IEC 15434 ([)>…)": r"\[\)>.*",
    "GS1": r"\x1d*(?:00\d{18}|0[12]\d{14}).*|\x1d*\d\d.*\x1d.*",
    "GS1 Digital Link": r"[Hh][Tt][Tt][Pp][Ss]?://.*",
}


def overlaps(rules: Sequence[Rule]) -> Iterator[tuple[Rule, str, str]]:
    """Each rule that takes codes of a default form, with the form and such a code."""
    forms = {form: Automaton(pattern) for form, pattern in _FORMS.items()}
    for rule in rules:
        for form, pattern in forms.items():
            if (text := rule.pattern.shared(pattern)) is not None:
                yield rule, form, text
