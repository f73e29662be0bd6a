"""Prompts of builders and validators: templates, sections and quoted text; `build` assembles them."""
