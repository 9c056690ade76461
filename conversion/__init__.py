"""Conversion: columns of Arrow as cells of the engine.

texts        strings: identifiers, categories, texts
coded        strings that come as a dictionary
sets         lists of strings: set values
numbers      int, decimal, float, bool
moments      dates and times
cell_by_cell what cannot be converted all at once
event_ids    ids of events, of one column or several
attributes   a column by the type that its attribute has
narrowing    a batch with only some of its records

A file that is loaded and a batch that comes over the wire say the same in the same cells, so
loaders and server both come here; neither knows the other.
"""
