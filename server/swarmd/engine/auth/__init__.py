"""Tokens and logins of the page."""
