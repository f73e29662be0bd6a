"""Tells people what happened, by chat, mail or webhook: readers of the event feed that last over restarts."""
