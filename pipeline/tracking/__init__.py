"""Where the faces of a clip are: detecting, following, cuts, linking to tracks, choosing."""
