"""pytest: scenario files as tests, and assertions on models."""
