"""
Fetches, checks, converts and shrinks pictures, and knows their folder. Pictures are decoded in a
process of their own, of which the system limits memory and time.
"""
