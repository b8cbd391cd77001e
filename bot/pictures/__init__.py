"""
Fetches, checks, converts and shrinks pictures, and knows their folder. Pictures are decoded in
threads of their own, within a memory budget.
"""
