"""The recipe of a small face generator and its encoder, trained here on synthetic faces."""
