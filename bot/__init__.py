"""Easel: a Discord bot that makes and edits images and loses neither images nor credits."""

VERSION = "0.1.0"
