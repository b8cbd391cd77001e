"""
Pictures: fetched, checked, made plain, made smaller, and kept in their folder; decoded in threads
of their own and within a budget of memory.
"""
