"""What doctor.py looks at: a module for each kind of thing, each a function that yields findings.

They run in processes of their own, so that one that hangs or crashes takes nothing with it. Each module imports what it
looks at, and nothing slow besides.
"""
