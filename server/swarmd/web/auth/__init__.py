"""Who may call a route: origin check, authorization, login."""
