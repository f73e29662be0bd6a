"""Notifications of people by chat, mail or webhook; each target's position in the event feed survives restarts."""
