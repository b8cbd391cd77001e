"""Where pictures are decoded: threads of their own, and a budget of memory."""
