"""Plugins for aebench. Listing them reads their files and does not import this package."""
