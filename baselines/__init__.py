"""Claims: what was trained and measured, with what uncertainty, and how to do it again."""
