"""Access to routes: origin check, authorization, login."""
