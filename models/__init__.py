"""Networks, their facts and their training recipes.

One folder is one family: the network, how to recognise and load its weights, `tiny()`, and its
training beside it. Nothing here imports `pipeline`, opens a video or chooses a device.
"""
