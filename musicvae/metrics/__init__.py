"""Floor 4: what sets of windows are like, and how far apart two sets are: features of windows,
overlap of their distributions, a classifier, nearest neighbours, and sets that are no music.
"""
