"""The planted defects: an audit is only worth what it can see.

Small edits that a tired programmer could make are planted one at a time in a copy of the source, a system is run from
that copy, customers go the way that lets the edit do harm, and the audit has to find it.
"""
