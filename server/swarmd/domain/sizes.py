"""Sizes of definitions and claims in characters of text, about; a character has up to 4 bytes on the wire."""

from swarmd.domain.claim import Claim
from swarmd.domain.definition import TaskDefinition


def definition_chars(definition: TaskDefinition) -> int:
    """Returns the characters of a definition."""
    lists = (
        definition.acceptance_criteria,
        definition.files,
        definition.design_docs,
        definition.dependencies,
        definition.checks,
        definition.setup,
        definition.keep,
        definition.exclusive,
        definition.artifacts,
        definition.landing_checks,
    )
    labels = sum(len(key) + len(value) for key, value in definition.labels.items())
    texts = sum(len(text) for texts in lists for text in texts)
    return len(definition.description) + len(definition.name) + labels + texts


def claim_chars(claim: Claim) -> int:
    """Returns the characters of a claim: its definition, the last report and the results of dependencies."""
    results = sum(len(result.report) + len(result.name) for result in claim.dependency_results)
    return (
        definition_chars(claim.definition)
        + len(claim.previous_report or "")
        + len(claim.last_error)
        + results
    )
