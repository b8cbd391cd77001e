"""Stands in for Discord and the providers on this machine; imports nothing else of the bot."""
