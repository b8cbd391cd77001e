"""Stands in for Discord and the providers on this machine; imports nothing from chat or engine."""
