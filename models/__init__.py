"""What the business talks about: records, money, keys, outcomes and errors.

Pydantic models and pure functions. Nothing here does I/O, and nothing here imports another room.
"""
