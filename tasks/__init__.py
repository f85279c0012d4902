"""Tasks: the verbs of the road, each on a page of records.

extract → check → route → match → convert → write → park → write back → report
"""
