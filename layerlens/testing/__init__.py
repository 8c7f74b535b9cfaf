"""Scenario files enter pytest as tests, and leave it as reports of what did not hold."""
