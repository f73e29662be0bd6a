"""The settings of Sphinx for `make docs`; scripts/docs.py gathers the pages of index.md."""

project = "Amplifier Swarm"
author = copyright = "The Amplifier Swarm authors"  # noqa: A001  # Sphinx's own name
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_show_sphinx = False
# The anchors of headings are those of GitHub, for the levels that pages link to.
myst_heading_anchors = 4
# Diagrams show as their text: a program that draws them would be fetched from a network.
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
